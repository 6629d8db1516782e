"""The wanted rate of false alarms, and the thresholds that follow from it.

All detectors together should raise a false alarm in at most one of a hundred healthy runs of 1,000
reports. This budget is divided by the number of tests in such a run (Bonferroni): the number of
detectors times the number of blocks of ten reports that each of them examines. A change counts as
significant if it exceeds the quantile of Student's t distribution for that probability.

The metrics of a training run are neither independent nor normal. So

- values are compared as medians of blocks of ten reports, which single outliers don't change and
  in which the correlation of successive reports averages out (batch means);
- the noise of such a level is the larger of two estimates. One is the spread within blocks,
  doubled, which covers a correlation of successive reports of up to 0.6. The other is the median
  absolute deviation of the differences between successive blocks, which covers longer correlations.
  A slow drift hardly changes either of them, even over most of a run.

A significant change may still be a healthy one, so every detector requires a minimum effect as
well.
"""

from __future__ import annotations

import math
from functools import lru_cache

__all__ = [
    "BLOCK_REPORTS",
    "CORRELATION_FACTOR",
    "FALSE_ALARMS_PER_RUN",
    "PROBABILITY",
    "chance_of_run",
    "critical_value",
    "poisson_tail",
]

FALSE_ALARMS_PER_RUN = 0.01
"""Wanted number of false alarms in a healthy run of 1,000 reports, of all detectors together."""

BLOCK_REPORTS = 10
"""Number of successive reports that become one block."""

_TESTS_PER_RUN = 40 * 1_000 // BLOCK_REPORTS
_MAX_FREEDOM = 200

PROBABILITY = FALSE_ALARMS_PER_RUN / _TESTS_PER_RUN
"""Wanted probability that one test raises a false alarm."""

CORRELATION_FACTOR = 2.0
"""How much the standard error of a mean may be larger than without correlation: AR(1), 0.6."""


@lru_cache(maxsize=256)
def critical_value(freedom: int, conditions: int = 1) -> float:
    """Return how many standard errors a change has to exceed, one-sided.

    Args:
        freedom: Degrees of freedom of the estimated standard error, at least 1.
        conditions: Number of independent metrics whose changes have to exceed it at once.

    >>> round(critical_value(10), 1), round(critical_value(200), 1)
    (8.8, 4.7)
    """
    freedom = min(max(freedom, 1), _MAX_FREEDOM)
    probability = PROBABILITY ** (1 / conditions)
    low, high = 0.0, 1e6
    for _ in range(45):
        middle = (low + high) / 2
        if _tail(middle, freedom) > probability:
            low = middle
        else:
            high = middle
    return high


def chance_of_run(length: int, earlier: int, of_kind: int) -> float:
    """Return the probability that a run of successive values of one kind is chance.

    Laplace's rule of succession, value by value: it holds for few earlier values as well, and needs
    no distribution of them.

    Args:
        length: Number of values in the run.
        earlier: Number of values before it.
        of_kind: Number of those that are of the same kind.

    >>> f"{chance_of_run(10, 12, 0):.0e}", f"{chance_of_run(10, 40, 20):.0e}"
    ('9e-07', '2e-03')
    """
    kinds = ((of_kind + 1 + index) / (earlier + 2 + index) for index in range(length))
    return math.prod(kinds)


def poisson_tail(count: int, expected: float) -> float:
    """Return the probability of at least some number of rare events.

    Args:
        count: The number of events.
        expected: Their expected number.

    >>> f"{poisson_tail(4, 0.25):.0e}", poisson_tail(0, 1.0)
    ('1e-04', 1.0)
    """
    term = total = math.exp(-expected)
    for index in range(1, count):
        term *= expected / index
        total += term
    return 1 - total if count else 1.0


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
