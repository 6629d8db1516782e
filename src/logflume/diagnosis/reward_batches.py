"""How the reward functions relate to each other within a batch of completions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from operator import mul
from typing import Any, TypeAlias

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

Columns: TypeAlias = dict[str, list[float | None]]


def measure_reward_batch(event: Mapping[str, Any]) -> dict[str, float]:
    """Return measures of a `reward` event with one value of each function for each completion.

    - `variance_share/<function>`: the covariance of its weighted values with the total reward,
      divided by the variance of the total; at most its share of the functions' variances. Only
      where another function varies, by more than a quarter of its largest value.
    - `correlation/<function>/<function>`: Pearson's, over the completions that both apply to.
    - `spread_within_groups`: the mean standard deviation of the total within groups.

    `variance_share` and `correlation` are the largest share and the lowest correlation. At most 64
    completions and 8 functions are read.
    """
    columns = _read(event)
    measures = _variance_shares(columns)
    measures |= _correlations(columns)
    if (spread := _spread_within_groups(event)) is not None:
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
            columns[function] = [scale * v if _is_number(v) else None for v in values[:_MAX_ROWS]]
            if len(columns) == _MAX_FUNCTIONS:
                break
    same = len({len(values) for values in columns.values()}) == 1
    return columns if same else {}


def _variance_shares(columns: Columns) -> dict[str, float]:
    filled = {name: [value or 0.0 for value in values] for name, values in columns.items()}
    totals = [sum(row) for row in zip(*filled.values(), strict=True)]
    if len(filled) < 2 or len(totals) < _MIN_ROWS or not (variance := _covary(totals, totals)):
        return {}
    variances = {name: _covary(values, values) for name, values in filled.items()}
    own = sum(variances.values())
    # Functions that cancel each other have covariances that say nothing about their influence.
    shares = {
        name: min(_covary(values, totals) / variance, variances[name] / own)
        for name, values in filled.items()
    }
    name = max(shares, key=lambda name: shares[name])
    if not any(_is_active(values) for other, values in filled.items() if other != name):
        return {}
    return {
        VARIANCE_SHARE: shares[name],
        **{f"{VARIANCE_SHARE}/{name}": share for name, share in shares.items()},
    }


def _correlations(columns: Columns) -> dict[str, float]:
    correlations: dict[str, float] = {}
    for first, second in combinations(sorted(columns), 2):
        rows = [
            (a, b)
            for a, b in zip(columns[first], columns[second], strict=True)
            if a is not None and b is not None
        ]
        if len(rows) < _MIN_ROWS:
            continue
        a, b = zip(*rows, strict=True)
        scale = math.sqrt(_covary(a, a)) * math.sqrt(_covary(b, b))
        if scale > 0:
            correlations[f"{CORRELATION}/{first}/{second}"] = _covary(a, b) / scale
    if correlations:
        correlations[CORRELATION] = min(correlations.values())
    return correlations


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
    return math.sqrt(_covary(values, values) * len(values) / (len(values) - 1))


def _is_active(values: Sequence[float]) -> bool:
    return math.sqrt(_covary(values, values)) > _ACTIVE_SPREAD * max(map(abs, values))


def _covary(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the population covariance of two columns of equal length."""
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    deviations_a, deviations_b = [x - mean_a for x in a], [y - mean_b for y in b]
    products: Iterable[float] = map(mul, deviations_a, deviations_b)
    return sum(products) / len(a)


def _is_number(value: Any) -> bool:
    kind = type(value)
    return (kind is float or kind is int) and -_MAX_MAGNITUDE < value < _MAX_MAGNITUDE
