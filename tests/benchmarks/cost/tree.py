"""CPU and memory of this process and of every process that it has started; memory on Linux only."""

from __future__ import annotations

import contextlib
import ctypes
import re
import resource
from pathlib import Path

import psutil

__all__ = ["adopt_orphans", "cpu_s", "forget_peak", "peak_bytes"]

_PR_SET_CHILD_SUBREAPER = 36
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


def adopt_orphans() -> None:
    """Stay the ancestor of helpers that detach themselves, so that they are counted (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def cpu_s() -> float:
    """Return the CPU time, user and system, of the tree so far.

    Children that were waited for are in the accounts of who waited; the others, alive or
    not, have their own.
    """
    own = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    total = sum(usage.ru_utime + usage.ru_stime for usage in own)
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def forget_peak() -> None:
    """Let this process' peak begin anew at what it uses now (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int:
    """Return the sum of the peaks of the processes that are alive, pages shared counted twice."""
    processes = psutil.Process().children(recursive=True)
    return sum(map(_peak_bytes, [psutil.Process().pid, *(process.pid for process in processes)]))


def _peak_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        found = _PEAK.search(Path(f"/proc/{pid}/status").read_text())
        if found is not None:
            return int(found[1]) * 1024
    return 0
