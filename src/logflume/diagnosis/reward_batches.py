"""How the reward functions relate to each other within a batch of completions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from operator import mul
from typing import Any, TypeAlias

from logflume.values.plain import are_floats

__all__ = ["CORRELATION", "VARIANCE_SHARE", "measure_reward_batch"]

CORRELATION = "correlation"
VARIANCE_SHARE = "variance_share"

_PREFIX = "rewards/"
_TOTAL = "rewards/total"
_MAX_FUNCTIONS = 8
_MAX_ROWS = 64
_MIN_ROWS = 4
_ACTIVE_SPREAD = 0.25
_MAX_MAGNITUDE = 1e150
_ROUNDING = 1e-9

Columns: TypeAlias = dict[str, Sequence[float | None]]


def measure_reward_batch(event: Mapping[str, Any], *, with_spread: bool = True) -> dict[str, float]:
    """Return measures of a `reward` event with one value of each function for each completion.

    - `variance_share/<function>`: the covariance of its weighted values with the total reward,
      divided by the variance of the total; at most its share of the sum of the functions'
      variances. Measured only if another function varies by more than a quarter of its largest
      value.
    - `correlation/<function>/<function>`: Pearson's correlation within groups, because a harder
      problem may have lower rewards of one function and higher ones of another. Over the whole
      batch if it has no groups, or if one of the functions doesn't apply to all completions.
    - `spread_within_groups`: the mean standard deviation of the total within groups.

    `variance_share` and `correlation` are the largest share and the lowest correlation. At most 64
    completions and 8 functions are read.

    Args:
        event: The event.
        with_spread: Whether to measure the spread, which a trainer may report itself.
    """
    columns = _read(event)
    filled = {name: _Column(_filled(values)) for name, values in columns.items()}
    size = event.get("num_generations")
    measures = _variance_shares(filled) | _correlations(columns, filled, size)
    if with_spread and (spread := _spread_within_groups(event)) is not None:
        measures["spread_within_groups"] = spread
    return measures


def _read(event: Mapping[str, Any]) -> Columns:
    weights = event.get("weights")
    if not isinstance(weights, Mapping):
        weights = {
            name.removeprefix("weights/"): value
            for name, value in event.items()
            if name.startswith("weights/")
        }
    columns: Columns = {}
    for name, values in event.items():
        if name.startswith(_PREFIX) and name != _TOTAL and type(values) is list:
            function = name.removeprefix(_PREFIX)
            weight = weights.get(function, 1.0)
            scale = float(weight) if _is_number(weight) else 1.0
            columns[function] = _scaled(values[:_MAX_ROWS], scale)
            if len(columns) == _MAX_FUNCTIONS:
                break
    same = len({len(values) for values in columns.values()}) == 1
    return columns if same else {}


def _scaled(values: Sequence[Any], scale: float) -> Sequence[float | None]:
    # One check of a sum instead of many: if it is within bounds, so is every value.
    if are_floats(values) and sum(map(abs, values)) < _MAX_MAGNITUDE:
        return values if scale == 1 else [scale * v for v in values]
    return [scale * v if _is_number(v) else None for v in values]


def _filled(values: Sequence[float | None]) -> Sequence[float]:
    """Return the values with 0 for the completions that a function doesn't apply to."""
    return [value or 0.0 for value in values] if None in values else values  # type: ignore[return-value]


class _Column:
    """Values with their deviations from the mean, of which all covariances are made.

    Attributes:
        values: The values.
        deviations: Their differences from their mean.
        variance: Their population variance.
    """

    __slots__ = ("deviations", "values", "variance")

    def __init__(self, values: Sequence[float]) -> None:
        self.values = values
        mean = sum(values) / len(values) if values else 0.0
        self.deviations = [value - mean for value in values]
        self.variance = self.covariance(self)

    def covariance(self, other: _Column) -> float:
        """Return the population covariance with a column of the same length."""
        return _mean_product(self.deviations, other.deviations)


def _variance_shares(columns: Mapping[str, _Column]) -> dict[str, float]:
    if len(columns) < 2:
        return {}
    rows = zip(*[column.values for column in columns.values()], strict=True)
    total = _Column(list(map(sum, rows)))
    if len(total.values) < _MIN_ROWS or not total.variance:
        return {}
    own = sum(column.variance for column in columns.values())
    # Functions that cancel each other have covariances that say nothing about their influence.
    shares = {
        name: min(column.covariance(total) / total.variance, column.variance / own)
        for name, column in columns.items()
    }
    name = max(shares, key=lambda name: shares[name])
    if not any(_is_active(column) for other, column in columns.items() if other != name):
        return {}
    return {
        VARIANCE_SHARE: shares[name],
        **{f"{VARIANCE_SHARE}/{name}": share for name, share in shares.items()},
    }


def _correlations(columns: Columns, filled: Mapping[str, _Column], size: Any) -> dict[str, float]:
    """Return the correlation of each two functions, over the completions that both apply to."""
    partial = {name for name, values in columns.items() if None in values}
    within = {name: _Within(column, size) for name, column in filled.items()}
    correlations: dict[str, float] = {}
    for first, second in combinations(sorted(columns), 2):
        a, b = within[first], within[second]
        if not partial.isdisjoint((first, second)):
            a, b = map(_Within, _common(columns[first], columns[second]))
        if len(a.column.values) >= _MIN_ROWS and a.std and b.std:
            correlations[f"{CORRELATION}/{first}/{second}"] = a.correlation(b)
    if correlations:
        correlations[CORRELATION] = min(correlations.values())
    return correlations


class _Within:
    """How a column varies within groups: what varies, less what varies between their means.

    Attributes:
        column: The column.
        means: The means of groups, as deviations; none without groups of that size.
        std: The standard deviation within groups, 0 for one that comes from rounding.
    """

    __slots__ = ("column", "means", "std")

    def __init__(self, column: _Column, size: Any = None) -> None:
        own = column.deviations
        self.column = column
        self.means: list[float] = []
        if type(size) is int and size > 1 and not len(own) % size:
            groups = zip(*[iter(own)] * size, strict=True)
            self.means = [total / size for total in map(sum, groups)]
        variance = column.variance - _mean_product(self.means, self.means)
        self.std = math.sqrt(variance) if variance > _ROUNDING * column.variance else 0.0

    def correlation(self, other: _Within) -> float:
        """Return Pearson's correlation with a column that varies as well."""
        between = _mean_product(self.means, other.means)
        return (self.column.covariance(other.column) - between) / (self.std * other.std)


def _mean_product(first: Sequence[float], second: Sequence[float]) -> float:
    return sum(map(mul, first, second)) / len(first) if first else 0.0


def _common(
    first: Iterable[float | None], second: Iterable[float | None]
) -> tuple[_Column, _Column]:
    """Return the values of the rows in which neither of two functions is None."""
    rows = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    return _Column([a for a, _ in rows]), _Column([b for _, b in rows])


def _spread_within_groups(event: Mapping[str, Any]) -> float | None:
    """Return the mean sample standard deviation of the total within groups, as TRL reports it.

    That over the batch where the event has no groups; None if there is none either.
    """
    values, size = event.get(_TOTAL), event.get("num_generations")
    if type(values) is list and type(size) is int and size > 1 and not len(values) % size:
        groups = [values[i : i + size] for i in range(0, min(len(values), _MAX_ROWS), size)]
        numbers = [[v for v in group if _is_number(v)] for group in groups]
        if spreads := [_sample_std(group) for group in numbers if len(group) > 1]:
            return sum(spreads) / len(spreads)
    std = event.get(f"{_TOTAL}/std")
    return std if type(std) is float and _is_number(std) else None


def _sample_std(values: Sequence[float]) -> float:
    return math.sqrt(_Column(values).variance * len(values) / (len(values) - 1))


def _is_active(column: _Column) -> bool:
    return math.sqrt(column.variance) > _ACTIVE_SPREAD * max(map(abs, column.values))


def _is_number(value: Any) -> bool:
    kind = type(value)
    return (kind is float or kind is int) and -_MAX_MAGNITUDE < value < _MAX_MAGNITUDE
