"""Signals that compare reward functions with each other, completion by completion.

A report is the weighted rewards of one batch by function: one value per completion, None where the
function does not apply.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from operator import mul

from ._findings import Finding
from ._trend import Stats

__all__ = ["AntiCorrelatedFunctions", "DominatingFunction", "Rewards"]

Rewards = Mapping[str, Sequence[float | None]]

_MIN_ROWS = 4
_ACTIVE_SPREAD = 0.25
_MIN_COVERAGE = 0.8


class DominatingFunction:
    """One function determines the reward although other functions vary.

    The share of a function is the covariance of its values with the total reward, divided by the
    variance of the total; the shares of all functions add up to 1. Another function counts as
    varying if the standard deviation of its values exceeds a quarter of the largest of them. A
    function that nearly all completions satisfy is expected to leave the variance to the others.

    Args:
        window_reports: Number of batches that are evaluated together.
        share: Share of the variance at which a function dominates, 0 to 1.
    """

    def __init__(self, window_reports: int, share: float) -> None:
        self._share = share
        self._largest: deque[tuple[str, float] | None] = deque(maxlen=window_reports)

    def __call__(self, rewards: Rewards) -> Finding | None:
        """Evaluate one batch."""
        self._largest.append(_largest_share(rewards))
        known = [largest for largest in self._largest if largest is not None]
        if len(self._largest) < (self._largest.maxlen or 0) or len(known) < _MIN_COVERAGE * len(
            self._largest
        ):
            return None
        shares = [share for _, share in known]
        name = known[0][0]
        if any(other != name for other, _ in known) or min(shares) < self._share:
            return None
        share = sum(shares) / len(shares)
        return Finding(
            f"{name} accounts for {share:.1%} of the variance of the reward: the other functions "
            f"vary, but have practically no influence on it.",
            {"function": name, "value": share, "threshold": self._share},
        )


class AntiCorrelatedFunctions:
    """Two functions are negatively correlated: completions that one rewards, the other penalizes.

    Args:
        window_reports: Number of batches that are evaluated together.
        correlation: Mean correlation (Pearson) below which two functions are reported, -1 to 0.
    """

    def __init__(self, window_reports: int, correlation: float) -> None:
        self._limit = correlation
        self._batches: deque[dict[tuple[str, str], float]] = deque(maxlen=window_reports)

    def __call__(self, rewards: Rewards) -> Finding | None:
        """Evaluate one batch."""
        self._batches.append(_correlations(rewards))
        if len(self._batches) < (self._batches.maxlen or 0):
            return None
        means = {pair: self._mean(pair) for pair in self._batches[-1]}
        pair = min(means, key=lambda pair: means[pair], default=None)
        if pair is None or means[pair] > self._limit:
            return None
        first, second = pair
        return Finding(
            f"The rewards of {first} and {second} have a correlation of {means[pair]:.2f}: the two "
            f"functions work against each other.",
            {
                "function": first,
                "other_function": second,
                "value": means[pair],
                "threshold": self._limit,
            },
        )

    def _mean(self, pair: tuple[str, str]) -> float:
        """Return the mean over the batches with a correlation; 0 if too few have one."""
        values = [batch[pair] for batch in self._batches if pair in batch]
        is_enough = len(values) >= _MIN_COVERAGE * len(self._batches)
        return sum(values) / len(values) if is_enough else 0.0


def _largest_share(rewards: Rewards) -> tuple[str, float] | None:
    """Return the function with the largest share of the variance; None if no other one varies."""
    columns = {name: [value or 0.0 for value in values] for name, values in rewards.items()}
    totals = [sum(row) for row in zip(*columns.values(), strict=True)]
    if len(columns) < 2 or len(totals) < _MIN_ROWS or not (variance := _covary(totals, totals)):
        return None
    shares = {name: _covary(values, totals) / variance for name, values in columns.items()}
    name = max(shares, key=lambda name: shares[name])
    others = (values for other, values in columns.items() if other != name)
    return (name, shares[name]) if any(_is_active(values) for values in others) else None


def _is_active(values: Sequence[float]) -> bool:
    return Stats(values).std > _ACTIVE_SPREAD * max(abs(value) for value in values)


def _correlations(rewards: Rewards) -> dict[tuple[str, str], float]:
    """Return the correlation of every pair of functions, over the rows where both apply.

    Pairs with too few such rows, or with a constant column, are left out.
    """
    correlations: dict[tuple[str, str], float] = {}
    for first, second in combinations(sorted(rewards), 2):
        rows = [
            (a, b)
            for a, b in zip(rewards[first], rewards[second], strict=True)
            if a is not None and b is not None
        ]
        if len(rows) < _MIN_ROWS:
            continue
        a, b = zip(*rows, strict=True)
        scale = math.sqrt(_covary(a, a)) * math.sqrt(_covary(b, b))
        if scale > 0:
            correlations[first, second] = _covary(a, b) / scale
    return correlations


def _covary(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the population covariance of two columns of equal length."""
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    deviations_a, deviations_b = [x - mean_a for x in a], [y - mean_b for y in b]
    products: Iterable[float] = map(mul, deviations_a, deviations_b)
    return sum(products) / len(a)
