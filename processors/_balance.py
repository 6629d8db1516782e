"""Signals in the rewards of single completions: how the reward functions get on with each other.

A report is the weighted rewards of one batch, by function: one value a completion, None where the
function does not apply.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from operator import mul

from ._findings import Finding
from ._trend import Level

__all__ = ["AntiCorrelated", "Dominating", "Rewards"]

Rewards = Mapping[str, Sequence[float | None]]

_FEWEST_ROWS = 4
_ACTIVE_SPREAD = 0.25
_MOSTLY = 0.8


class Dominating:
    """One function decides the reward although others have something to say.

    A function's part is the covariance of its values with their sum, by the variance of the sum:
    the parts of all functions add up to 1. Another has something to say where the standard
    deviation of its values is a quarter of the largest of them: one that nearly all completions
    satisfy leaves the reward to the rest, which is as it should be.

    Args:
        window_reports: How many batches are looked at together.
        share: From which part on a function dominates, 0 to 1.
    """

    def __init__(self, window_reports: int, share: float) -> None:
        self._share = share
        self._parts: deque[tuple[str, float] | None] = deque(maxlen=window_reports)

    def __call__(self, rewards: Rewards) -> Finding | None:
        """Take one batch."""
        self._parts.append(_largest_part(rewards))
        found = [part for part in self._parts if part is not None]
        if len(self._parts) < (self._parts.maxlen or 0) or len(found) < _MOSTLY * len(self._parts):
            return None
        parts = [part for _, part in found]
        name = found[0][0]
        if any(other != name for other, _ in found) or min(parts) < self._share:
            return None
        part = sum(parts) / len(parts)
        return Finding(
            f"{name} makes up {part:.1%} of the variance of the reward: the other functions vary, "
            f"but next to it they count for nothing.",
            {"function": name, "value": part, "threshold": self._share},
        )


class AntiCorrelated:
    """Two functions pull in opposite directions: what one pays, the other takes.

    Args:
        window_reports: How many batches are looked at together.
        correlation: Below which mean correlation (Pearson's), -1 to 0.
    """

    def __init__(self, window_reports: int, correlation: float) -> None:
        self._limit = correlation
        self._batches: deque[dict[tuple[str, str], float]] = deque(maxlen=window_reports)

    def __call__(self, rewards: Rewards) -> Finding | None:
        """Take one batch."""
        self._batches.append(_correlations(rewards))
        if len(self._batches) < (self._batches.maxlen or 0):
            return None
        means = {pair: self._mean(pair) for pair in self._batches[-1]}
        pair = min(means, key=lambda pair: means[pair], default=None)
        if pair is None or means[pair] > self._limit:
            return None
        first, second = pair
        return Finding(
            f"{first} and {second} have a correlation of {means[pair]:.2f}: what one pays, the "
            f"other takes away.",
            {
                "function": first,
                "other_function": second,
                "value": means[pair],
                "threshold": self._limit,
            },
        )

    def _mean(self, pair: tuple[str, str]) -> float:
        """Return the mean over the batches that tell; 0 where too few do."""
        values = [batch[pair] for batch in self._batches if pair in batch]
        is_enough = len(values) >= _MOSTLY * len(self._batches)
        return sum(values) / len(values) if is_enough else 0.0


def _largest_part(rewards: Rewards) -> tuple[str, float] | None:
    """Return the function with the largest part; None where no other has anything to say."""
    columns = {name: [value or 0.0 for value in values] for name, values in rewards.items()}
    totals = [sum(row) for row in zip(*columns.values(), strict=True)]
    if len(columns) < 2 or len(totals) < _FEWEST_ROWS or not (variance := _covary(totals, totals)):
        return None
    parts = {name: _covary(values, totals) / variance for name, values in columns.items()}
    name = max(parts, key=lambda name: parts[name])
    others = (values for other, values in columns.items() if other != name)
    return (name, parts[name]) if any(_is_active(values) for values in others) else None


def _is_active(values: Sequence[float]) -> bool:
    return Level(values).std > _ACTIVE_SPREAD * max(abs(value) for value in values)


def _correlations(rewards: Rewards) -> dict[tuple[str, str], float]:
    """Return the correlation of each two functions where both apply, and both vary."""
    found: dict[tuple[str, str], float] = {}
    for first, second in combinations(sorted(rewards), 2):
        rows = [
            (a, b)
            for a, b in zip(rewards[first], rewards[second], strict=True)
            if a is not None and b is not None
        ]
        if len(rows) < _FEWEST_ROWS:
            continue
        a, b = zip(*rows, strict=True)
        scale = math.sqrt(_covary(a, a)) * math.sqrt(_covary(b, b))
        if scale > 0:
            found[first, second] = _covary(a, b) / scale
    return found


def _covary(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the covariance of two columns of one length, as population."""
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    off_a, off_b = [x - mean_a for x in a], [y - mean_b for y in b]
    products: Iterable[float] = map(mul, off_a, off_b)
    return sum(products) / len(a)
