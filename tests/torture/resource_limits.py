"""Limits on what a process may take of the system, for a moment."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["limited"]

PAGE_BYTES = resource.getpagesize()
LIMITS = {
    "NOFILE": resource.RLIMIT_NOFILE,
    "AS": resource.RLIMIT_AS,
    "NPROC": resource.RLIMIT_NPROC,
}


@contextmanager
def limited(name: str, process_ids: Sequence[int]) -> Iterator[None]:
    """Within the block, let processes have no more of something than they have now.

    Args:
        name: `NOFILE` for file descriptors, `AS` for memory, `NPROC` for processes and threads.
        process_ids: The processes.
    """
    limit = LIMITS[name]
    before = {pid: resource.prlimit(pid, limit) for pid in process_ids}
    present = {pid: _present(name, pid) for pid in process_ids}
    for pid, (_, hard) in before.items():
        resource.prlimit(pid, limit, (present[pid], hard))
    try:
        yield
    finally:
        for pid, values in before.items():
            with suppress(ProcessLookupError):
                resource.prlimit(pid, limit, values)


def _present(name: str, process_id: int) -> int:
    """Return how much of something a process has."""
    folder = Path("/proc", str(process_id))
    if name == "AS":
        return int((folder / "statm").read_text().split()[0]) * PAGE_BYTES
    if name == "NPROC":
        return 1
    # The next file gets the lowest free descriptor.
    taken = {int(path.name) for path in (folder / "fd").iterdir() if path.exists()}
    return min(set(range(len(taken) + 1)) - taken)
