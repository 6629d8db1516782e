"""From what each call took to the figures that are told."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["FEWEST", "figures", "percentile"]

FEWEST = {0.5: 1, 0.99: 100, 0.999: 1_000}
"""Calls below which a percentile is not told: it would be the worst call by another name."""


def percentile(ordered: Sequence[int], share: float) -> int:
    """Return the smallest value that `share` of all values don't exceed (nearest rank).

    Args:
        ordered: The values, ascending, at least one.
        share: Between 0 (not included) and 1.
    """
    rank = math.ceil(round(share * len(ordered), 9))  # 0.07 of 100 is the 7th, whatever floats say
    return ordered[min(max(rank, 1), len(ordered)) - 1]


def figures(took_ns: Sequence[int]) -> dict[str, float | int | None]:
    """Return count, percentiles and worst, in microseconds; None where there were too few calls."""
    ordered = sorted(took_ns)

    def told_us(share: float) -> float | None:
        return percentile(ordered, share) / 1e3 if len(ordered) >= FEWEST[share] else None

    return {
        "calls": len(ordered),
        "p50_us": told_us(0.5),
        "p99_us": told_us(0.99),
        "p999_us": told_us(0.999),
        "worst_us": ordered[-1] / 1e3 if ordered else None,
    }
