"""CPU time and memory of this process and all its descendants; memory on Linux only."""

from __future__ import annotations

import contextlib
import ctypes
import re
import resource
from pathlib import Path

import psutil

__all__ = ["adopt_orphans", "cpu_s", "peak_bytes", "reset_peak"]

_PR_SET_CHILD_SUBREAPER = 36
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


def adopt_orphans() -> None:
    """Become the parent of helpers that daemonize, so that they are counted (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def cpu_s() -> float:
    """Return the CPU time, user and system, of the tree so far.

    The time of a child that was waited for is in its parent's account; any other child, alive or a
    zombie, has an account of its own.
    """
    own = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    total = sum(usage.ru_utime + usage.ru_stime for usage in own)
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def reset_peak() -> None:
    """Reset this process's peak memory to its current memory (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int:
    """Return the sum of the peaks of all living processes; shared pages count for each of them."""
    processes = psutil.Process().children(recursive=True)
    return sum(map(_peak_bytes, [psutil.Process().pid, *(process.pid for process in processes)]))


def _peak_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        match = _PEAK.search(Path(f"/proc/{pid}/status").read_text())
        if match is not None:
            return int(match[1]) * 1024
    return 0
