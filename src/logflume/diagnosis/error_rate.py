"""The wanted rate of false alarms, and the thresholds that follow from it.

All detectors together are to raise a false alarm in at most one of a hundred healthy runs of 1,000
reports. This budget is divided by the number of tests in such a run (Bonferroni): the detectors,
times the blocks of ten reports that each of them looks at. A change counts as significant if it
exceeds the quantile of Student's t distribution for that probability.

Two assumptions make these tests valid for the metrics of a training:

- Values are compared as medians or means of blocks of ten reports, so that the correlation of
  successive reports and single outliers have little effect (batch means).
- The noise of a block is estimated from the differences of successive blocks, by their median
  absolute deviation. A slow drift hardly changes that estimate. Its efficiency is 37 % that of the
  standard deviation (Rousseeuw and Croux 1993, doi:10.1080/01621459.1993.10476408), which reduces
  the degrees of freedom accordingly.

A significant change may still be a healthy one, so every detector requires a minimum effect as
well.
"""

from __future__ import annotations

import math
from functools import lru_cache

__all__ = ["BLOCK_REPORTS", "FALSE_ALARMS_PER_RUN", "critical_value", "robust_freedom"]

FALSE_ALARMS_PER_RUN = 0.01
"""Wanted number of false alarms in a healthy run of 1,000 reports, of all detectors together."""

BLOCK_REPORTS = 10
"""Number of successive reports that become one block."""

_TESTS_PER_RUN = 40 * 1_000 // BLOCK_REPORTS
_MAX_FREEDOM = 200
_MAD_EFFICIENCY = 0.37


def robust_freedom(blocks: int) -> int:
    """Return the degrees of freedom of the noise that is estimated from a number of blocks."""
    return max(1, int(_MAD_EFFICIENCY * (blocks - 1)))


@lru_cache(maxsize=256)
def critical_value(freedom: int) -> float:
    """Return how many standard errors a change has to exceed, one-sided.

    Args:
        freedom: Degrees of freedom of the estimated standard error, at least 1.

    >>> round(critical_value(10), 1), round(critical_value(200), 1)
    (9.1, 4.7)
    """
    freedom = min(max(freedom, 1), _MAX_FREEDOM)
    probability = FALSE_ALARMS_PER_RUN / _TESTS_PER_RUN
    low, high = 0.0, 1e6
    for _ in range(80):
        middle = (low + high) / 2
        if _tail(middle, freedom) > probability:
            low = middle
        else:
            high = middle
    return high


def _tail(value: float, freedom: int) -> float:
    """Return P(T > value) of Student's t distribution, for an integer number of degrees.

    The finite series of Abramowitz and Stegun, 26.7.3 and 26.7.4.
    """
    angle = math.atan(value / math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    term = cosine if freedom % 2 else 1.0
    total = term if freedom > 1 else 0.0
    for index in range(3 if freedom % 2 else 2, freedom - 1, 2):
        term *= cosine * cosine * (index - 1) / index
        total += term
    inside = 2 / math.pi * (angle + sine * total) if freedom % 2 else sine * total
    return (1 - inside) / 2
