"""Keeps the memory of the server small by returning free memory to the system after a query."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

__all__ = ["release_memory", "use_little_memory"]

_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h
_ARENAS = 1
_KEPT_BYTES = 160_000_000
"""Below this, nothing is returned: the next query would have to get it again, page by page."""

_STATM = Path("/proc/self/statm")


def use_little_memory() -> None:
    """Let all threads share one heap, which Arrow's tables are in as well.

    Arrow's own pools, and a heap for each thread, don't return memory: the server would hold
    several hundred megabytes where it needs one hundred. With a C library other than glibc, this
    has little or no effect.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)


def release_memory() -> None:
    """Return free memory to the system if the process holds much."""
    with suppress(OSError, AttributeError, ValueError, IndexError):
        pages = int(_STATM.read_text().split()[1])
        if pages * os.sysconf("SC_PAGE_SIZE") > _KEPT_BYTES:
            ctypes.CDLL(None).malloc_trim(0)
