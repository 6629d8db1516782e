"""How the reward functions relate to each other within a batch of completions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from operator import mul
from typing import Any, TypeGuard

from logflume.values.plain import are_floats

__all__ = ["CORRELATION", "MISSING", "VARIANCE_SHARE", "measure_reward_batch"]

CORRELATION = "correlation"
MISSING = "missing"
VARIANCE_SHARE = "variance_share"

_PREFIX = "rewards/"
_TOTAL = "rewards/total"
_MAX_FUNCTIONS = 8
_MAX_ROWS = 64
_MIN_ROWS = 4
_ACTIVE_SPREAD = 0.25
_MAX_MAGNITUDE = 1e150
_ROUNDING = 1e-9


def measure_reward_batch(event: Mapping[str, Any], *, with_spread: bool = True) -> dict[str, float]:
    """Return measures of a `reward` event with one value of each function for each completion.

    - `variance_share/<function>`: the covariance of its weighted values with the total reward,
      divided by the variance of the total; at most its share of the sum of the functions'
      variances. Measured only if another function varies by more than a quarter of its largest
      value.
    - `correlation/<function>/<function>`: Pearson's correlation within groups, because a harder
      problem may have lower rewards of one function and higher ones of another. Over the whole
      batch if it has no groups, or if one of the functions doesn't apply to all completions.
    - `missing/<function>`: the share of completions for which it has no value.
    - `spread_within_groups`: the mean standard deviation of the total within groups.

    `variance_share` and `missing` are the largest share, `correlation` is the lowest correlation.
    At most 64 completions and 8 functions are read.

    Args:
        event: The event.
        with_spread: Whether to measure the spread, which a trainer may report itself.
    """
    size = _group_size(event)
    columns = _read(event, size)
    measures = _variance_shares(columns) | _correlations(columns) | _missing(columns)
    if with_spread and (spread := _spread_within_groups(event, size)) is not None:
        measures["spread_within_groups"] = spread
    return measures


def _group_size(event: Mapping[str, Any]) -> int:
    """Return the number of completions in a group; 0 if it is unknown."""
    size = event.get("num_generations")
    return size if type(size) is int and size > 1 else 0


def _read(event: Mapping[str, Any], size: int) -> dict[str, _Column]:
    columns: dict[str, _Column] = {}
    for name, values in event.items():
        if type(values) is list and name.startswith(_PREFIX) and name != _TOTAL:
            function = name.removeprefix(_PREFIX)
            columns[function] = _column(values[:_MAX_ROWS], _weight(event, function), size)
            if len(columns) == _MAX_FUNCTIONS:
                break
    same = len({len(column.values) for column in columns.values()}) == 1
    return columns if same else {}


def _weight(event: Mapping[str, Any], function: str) -> float:
    weights = event.get("weights")
    if isinstance(weights, Mapping):
        weight = weights.get(function)
    else:
        weight = event.get(f"weights/{function}")
    return float(weight) if _is_number(weight) else 1.0


def _column(values: Sequence[Any], weight: float, size: int) -> _Column:
    if _are_numbers(values):
        return _Column(values if weight == 1 else [weight * v for v in values], size)
    known = [weight * v if _is_number(v) else None for v in values]
    return _Column([v or 0.0 for v in known], size, known if None in known else None)


def _are_numbers(values: Sequence[Any]) -> bool:
    """Whether all values are floats of a usable size, in two checks; some others are as well."""
    return are_floats(values) and sum(map(abs, values)) < _MAX_MAGNITUDE


class _Column:
    """Values with what their covariances and correlations are made of.

    Attributes:
        values: The values, 0 for a completion that the function doesn't apply to.
        known: The same, with None instead of these zeros; None if there are none.
        deviations: Their differences from their mean.
        variance: Their population variance.
        group_means: The means of the deviations of groups; none without groups of that size.
        std_within: The standard deviation within groups, which is what varies less what varies
            between their means; 0 for one that comes from rounding.
    """

    __slots__ = ("deviations", "group_means", "known", "std_within", "values", "variance")

    def __init__(
        self,
        values: Sequence[float],
        size: int = 0,
        known: Sequence[float | None] | None = None,
    ) -> None:
        mean = sum(values) / len(values) if values else 0.0
        self.values, self.known = values, known
        self.deviations = deviations = [value - mean for value in values]
        self.variance = _mean_product(deviations, deviations)
        self.group_means: list[float] = []
        if size and not len(values) % size:
            groups = zip(*[iter(deviations)] * size, strict=True)
            self.group_means = [total / size for total in map(sum, groups)]
        within = self.variance - _mean_product(self.group_means, self.group_means)
        self.std_within = math.sqrt(within) if within > _ROUNDING * self.variance else 0.0

    @property
    def missing(self) -> float:
        """The share of completions that the function has no value for."""
        return self.known.count(None) / len(self.known) if self.known else 0.0

    def covariance(self, other: _Column) -> float:
        """Return the population covariance with a column of the same length."""
        return _mean_product(self.deviations, other.deviations)

    def correlation(self, other: _Column) -> float:
        """Return Pearson's correlation within groups with a column that varies as well."""
        between = _mean_product(self.group_means, other.group_means)
        return (self.covariance(other) - between) / (self.std_within * other.std_within)


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
    largest = max(shares, key=shares.__getitem__)
    if not any(_is_active(column) for name, column in columns.items() if name != largest):
        return {}
    return {
        VARIANCE_SHARE: shares[largest],
        **{f"{VARIANCE_SHARE}/{name}": share for name, share in shares.items()},
    }


def _correlations(columns: Mapping[str, _Column]) -> dict[str, float]:
    """Return the correlation of each two functions, over the completions that both apply to."""
    correlations: dict[str, float] = {}
    for first, second in combinations(sorted(columns), 2):
        a, b = columns[first], columns[second]
        if a.known or b.known:
            a, b = _common(a, b)
        if len(a.values) >= _MIN_ROWS and a.std_within and b.std_within:
            correlations[f"{CORRELATION}/{first}/{second}"] = a.correlation(b)
    if correlations:
        correlations[CORRELATION] = min(correlations.values())
    return correlations


def _missing(columns: Mapping[str, _Column]) -> dict[str, float]:
    shares = {f"{MISSING}/{name}": column.missing for name, column in columns.items()}
    if shares:
        shares[MISSING] = max(shares.values())
    return shares


def _mean_product(first: Sequence[float], second: Sequence[float]) -> float:
    return sum(map(mul, first, second)) / len(first) if first else 0.0


def _common(first: _Column, second: _Column) -> tuple[_Column, _Column]:
    """Return the values of the rows that two functions apply to."""
    pairs = zip(first.known or first.values, second.known or second.values, strict=True)
    rows = [(a, b) for a, b in pairs if a is not None and b is not None]
    return _Column([a for a, _ in rows]), _Column([b for _, b in rows])


def _spread_within_groups(event: Mapping[str, Any], size: int) -> float | None:
    """Return the mean sample standard deviation of the total within groups, as TRL reports it.

    That over the batch where the event has no groups; None if there is none either.
    """
    values = event.get(_TOTAL)
    if type(values) is list and size and not len(values) % size:
        groups = [values[i : i + size] for i in range(0, min(len(values), _MAX_ROWS), size)]
        if not _are_numbers(values[: _MAX_ROWS + size]):
            groups = [[v for v in group if _is_number(v)] for group in groups]
        if spreads := [_sample_std(group) for group in groups if len(group) > 1]:
            return sum(spreads) / len(spreads)
    std = event.get(f"{_TOTAL}/std")
    return std if type(std) is float and _is_number(std) else None


def _sample_std(values: Sequence[float]) -> float:
    count = len(values)
    mean = sum(values) / count
    variance = sum([(value - mean) * (value - mean) for value in values]) / count
    return math.sqrt(variance * count / (count - 1))


def _is_active(column: _Column) -> bool:
    return math.sqrt(column.variance) > _ACTIVE_SPREAD * max(map(abs, column.values))


def _is_number(value: Any) -> TypeGuard[float]:
    kind = type(value)
    return (kind is float or kind is int) and -_MAX_MAGNITUDE < value < _MAX_MAGNITUDE
