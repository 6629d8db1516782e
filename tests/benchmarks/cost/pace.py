"""Timed calls, at a fixed rate or at full speed."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["WARM_UP", "make_calls"]

WARM_UP = 10
"""Calls that are made before the measurement, for imports, first files and first tables."""


def make_calls(
    call: Callable[[int], object], *, rate: float | None, seconds: float, max_calls: int
) -> list[int]:
    """Call with 0, 1, 2 … and return the duration of each call in nanoseconds.

    The schedule is absolute: call n is due n / rate seconds after the start, so after a slow call
    the next calls follow without a pause until the schedule is met. The duration of a call doesn't
    include the time by which it starts late.

    Args:
        call: The function to time; it gets the number of the call.
        rate: Calls per second; None: without a pause.
        seconds: When to stop. A slow peer makes fewer calls in the same time.
        max_calls: The most calls.
    """
    clock = time.perf_counter_ns
    took: list[int] = []
    start = clock()
    end = start + int(seconds * 1e9)
    interval = 0.0 if rate is None else 1e9 / rate
    for number in range(max_calls):
        now = clock()
        if now >= end:
            break
        wait = start + interval * number - now
        if rate is not None and wait > 0:
            time.sleep(wait / 1e9)
        before = clock()
        call(number)
        took.append(clock() - before)
    return took
