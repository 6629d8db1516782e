"""Counting what doesn't depend on the machine: Python's instructions, and the copies they make."""

from __future__ import annotations

import sys
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["allocations_of", "instructions_of", "threads_counted"]

_TRIES = 5

_Trace = Callable[[FrameType, str, Any], Any]


def instructions_of(call: Callable[[], object]) -> int:
    """Return how many bytecode instructions a call executes on this thread."""
    counts: Counter[int] = Counter()
    before = sys.gettrace()
    sys.settrace(_tracer(_counter(counts)))
    try:
        call()
    finally:
        sys.settrace(before)
    return counts.total()


@contextmanager
def threads_counted() -> Iterator[Counter[int]]:
    """Count the instructions of the threads that start within the block, by their `ident`."""
    counts: Counter[int] = Counter()
    before = threading.gettrace()
    threading.settrace(_tracer(_counter(counts)))
    try:
        yield counts
    finally:
        threading.settrace(before)


def _counter(counts: Counter[int]) -> Callable[[], None]:
    def count() -> None:
        counts[threading.get_ident()] += 1

    return count


def allocations_of(call: Callable[[], object], least_bytes: int) -> int:
    """Return how many instructions of a call allocate at least so much: the copies that it makes.

    It is the least of several calls: now and then a container that stays has to grow.
    """
    return min(_allocations(call, least_bytes) for _ in range(_TRIES))


def _allocations(call: Callable[[], object], least_bytes: int) -> int:
    last_bytes, found = 0, 0

    def look() -> None:
        nonlocal last_bytes, found
        now_bytes = tracemalloc.get_traced_memory()[0]
        found += now_bytes - last_bytes >= least_bytes
        last_bytes = now_bytes

    before = sys.gettrace()
    tracemalloc.start()
    try:
        last_bytes = tracemalloc.get_traced_memory()[0]
        sys.settrace(_tracer(look))
        call()
    finally:
        sys.settrace(before)
        tracemalloc.stop()
    return found


def _tracer(on_instruction: Callable[[], object]) -> _Trace:
    def trace(frame: FrameType, what: str, _arg: Any) -> _Trace:
        if what == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif what == "opcode":
            on_instruction()
        return trace

    return trace
