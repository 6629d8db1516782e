"""Making calls, and the nanoseconds that each took."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["WARM_UP", "make_calls"]

WARM_UP = 10
"""Calls before the first that counts: imports, first files and first tables are theirs."""


def make_calls(
    call: Callable[[int], object], *, rate: float | None, seconds: float, most: int
) -> list[int]:
    """Call with 0, 1, 2 … and return what each call took, in nanoseconds.

    The schedule is absolute: call n is due n / rate after the start, so a slow call is followed
    by calls without a pause until the schedule is met. Each counts its own time only,
    not the time that it came late.

    Args:
        call: What is timed; gets the number of the call.
        rate: Calls a second; None: without a pause.
        seconds: When to stop. A slow peer makes fewer calls, not a longer measurement.
        most: Calls after which it ends in any case.
    """
    clock = time.perf_counter_ns
    took: list[int] = []
    start = clock()
    end = start + int(seconds * 1e9)
    interval = 0.0 if rate is None else 1e9 / rate
    for number in range(most):
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
