"""Checks the writers of a run in several processes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

from logflume.maintenance.media_check import NamedMedia
from logflume.maintenance.verify import Issue
from logflume.runs.files import Writer

__all__ = ["WriterResult", "check_in_processes", "worth_processes"]

_LEAST_BYTES = 32 * 2**20
"""Of the journals: for less, starting the processes takes longer than the check."""


class WriterResult(NamedTuple):
    """The result of checking one writer, which another process can send.

    Attributes:
        issues: What is wrong.
        notes: Lines about what is not checked.
        read_bytes: The bytes of journal that were read.
        media: The media files that the journal names.
    """

    issues: list[Issue]
    notes: list[str]
    read_bytes: int
    media: NamedMedia


Check = Callable[[Writer, Collection[Path]], WriterResult]


def worth_processes(writers: Sequence[Writer]) -> int:
    """Return the number of processes to check these writers with; 1 if others don't pay off."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    names = (f"{writer.folder}/{name}" for writer in writers for name in writer.listed or ())
    size_bytes = sum(os.stat(name).st_size for name in names if os.path.exists(name))  # noqa: PTH110, PTH116
    return min(cores or 1, len(writers)) if size_bytes >= _LEAST_BYTES else 1


def check_in_processes(
    check: Check,
    writers: Sequence[Writer],
    outside: Collection[Path],
    processes: int,
    initializer: Callable[[], object] | None,
) -> Iterator[WriterResult]:
    """Yield the result of each writer, in order.

    Args:
        check: Checks one writer; a function of a module.
        writers: The writers.
        outside: The second argument of `check`.
        processes: The number of processes.
        initializer: Called in each process first.
    """
    # Not forked: this process may have threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer) as pool:
        chunk = max(1, len(writers) // (8 * processes))
        yield from pool.map(check, writers, repeat(outside), chunksize=chunk)
