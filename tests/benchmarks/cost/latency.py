"""Percentiles of the durations of calls."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["MIN_CALLS", "latency_summary", "percentile"]

MIN_CALLS = {0.5: 1, 0.99: 100, 0.999: 1_000}
"""The fewest calls for each percentile; with fewer, it would equal the worst call."""


def percentile(ordered: Sequence[int], share: float) -> int:
    """Return the smallest value that at least `share` of all values don't exceed (nearest rank).

    Args:
        ordered: The values in ascending order, at least one.
        share: Between 0 (exclusive) and 1.
    """
    # Rounded first: 0.07 of 100 is the 7th value, although 0.07 * 100 exceeds 7 as a float.
    rank = math.ceil(round(share * len(ordered), 9))
    return ordered[min(max(rank, 1), len(ordered)) - 1]


def latency_summary(took_ns: Sequence[int]) -> dict[str, float | int | None]:
    """Return the number of calls, and percentiles and maximum in microseconds.

    A percentile of too few calls is None, and so is the maximum of none.
    """
    ordered = sorted(took_ns)

    def percentile_us(share: float) -> float | None:
        return percentile(ordered, share) / 1e3 if len(ordered) >= MIN_CALLS[share] else None

    return {
        "calls": len(ordered),
        "p50_us": percentile_us(0.5),
        "p99_us": percentile_us(0.99),
        "p999_us": percentile_us(0.999),
        "worst_us": ordered[-1] / 1e3 if ordered else None,
    }
