"""Holding a run, so that no process begins to write it meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from logflume.claim import claim, find_holder
from logflume.exceptions import RunError
from logflume.reading.writer import Writer

__all__ = ["hold"]


@contextmanager
def hold(folder: Path, writers: Sequence[Writer]) -> Iterator[None]:
    """Keep everybody else from writing a run within the block.

    Raises:
        RunError: The run is being written.
    """
    suffixes = {"", *(w.suffix for w in writers if "-pid" not in w.suffix)}
    with ExitStack() as stack:
        for path in sorted(folder / f"run{suffix}.lock" for suffix in suffixes):
            taken = claim(path)
            if taken is None:
                raise RunError(_refusal(folder, path))
            stack.callback(taken.release)
        yield


def _refusal(folder: Path, path: Path) -> str:
    holder = find_holder(path)
    who = f"process {holder.pid} on {holder.host}" if holder else "another process"
    return (
        f"{folder}: {who} is writing this run (its lock: {path}). "
        "Wait until it has ended, or make outputs elsewhere: logflume replay … --out FOLDER"
    )
