"""Counts that don't depend on the machine: bytecode instructions, and large memory allocations."""

from __future__ import annotations

import sys
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["count_allocations", "count_instructions", "count_thread_instructions"]

_TRIES = 5

_Trace = Callable[[FrameType, str, Any], Any]


def count_instructions(call: Callable[[], object]) -> int:
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
def count_thread_instructions() -> Iterator[Counter[int]]:
    """Count the instructions of threads that start within the block, by thread identifier."""
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


def count_allocations(call: Callable[[], object], min_bytes: int) -> int:
    """Return how many instructions of a call allocate at least `min_bytes`.

    The result is the minimum of several calls, because a long-lived container grows now and then.
    """
    return min(_count_allocations(call, min_bytes) for _ in range(_TRIES))


def _count_allocations(call: Callable[[], object], min_bytes: int) -> int:
    last_bytes, count = 0, 0

    def check() -> None:
        nonlocal last_bytes, count
        now_bytes = tracemalloc.get_traced_memory()[0]
        count += now_bytes - last_bytes >= min_bytes
        last_bytes = now_bytes

    before = sys.gettrace()
    tracemalloc.start()
    try:
        last_bytes = tracemalloc.get_traced_memory()[0]
        sys.settrace(_tracer(check))
        call()
    finally:
        sys.settrace(before)
        tracemalloc.stop()
    return count


def _tracer(on_instruction: Callable[[], object]) -> _Trace:
    def trace(frame: FrameType, what: str, _arg: Any) -> _Trace:
        if what == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif what == "opcode":
            on_instruction()
        return trace

    return trace
