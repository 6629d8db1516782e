"""Several events of one type, step and mode as one point: one value for each field.

Evaluations in batches, gradient accumulation and several ranks log a step in several events. The
aggregate of a field, which the catalogue declares, is how its values become one:

| aggregate | value                                                                             |
|-----------|-----------------------------------------------------------------------------------|
| `mean`    | the mean; the default                                                             |
| `min`     | the minimum: fields named `min`                                                   |
| `max`     | the maximum: fields named `max`                                                   |
| `sum`     | the sum: fields named `n`                                                         |
| `std`     | the standard deviation of all values, from `n`, `mean` and `std`: fields so named |
| `last`    | the last value of each rank, of several ranks the mean: counters                  |

A mean is weighted by the number of values that each event stands for: the field `n` next to it
(`rewards/form/n` for `rewards/form/mean`), or the nearest one above (`quality/n`, `n`). A share of
groups is weighted by the number of groups. Readers and the TensorBoard sink use the same function.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from logflume.events.reserved import Aggregate
from logflume.values.declared import declared_aggregate

__all__ = [
    "SHARES_OF_GROUPS",
    "ZERO_STD",
    "aggregate",
    "aggregate_of",
    "names_of_counts",
]

_STATISTICS: dict[str, Aggregate] = {"n": "sum", "min": "min", "max": "max", "std": "std"}
ZERO_STD = "/frac_zero_std"
"""The end of the names of shares of the groups of a list of rewards."""

SHARES_OF_GROUPS = frozenset({"frac_all_correct", "frac_none_correct"})
"""Other shares of groups, of the total reward."""


@lru_cache(maxsize=8192)
def aggregate_of(event_type: str, name: str) -> Aggregate:
    """Return the aggregate of a field, by its declaration or by its name.

    >>> aggregate_of("training", "num_tokens"), aggregate_of("reward", "rewards/form/n")
    ('last', 'sum')
    """
    statistic = _STATISTICS.get(name.rpartition("/")[2], "mean")
    return declared_aggregate(event_type, name) or statistic


def aggregate(event_type: str, name: str, events: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the value of a numeric field for several events that are one point.

    Args:
        event_type: The type of the events.
        name: Name of the field.
        events: The events, in order. If several attempts have values, those of the latest attempt
            count.

    Returns:
        The value; None if there is none. NaN if any of the values is.

    Example:
        >>> aggregate("reward", "a/mean", [{"a/mean": 1.0, "a/n": 3}, {"a/mean": 0.0, "a/n": 1}])
        0.75
    """
    how = aggregate_of(event_type, name)
    if how == "std" and len(events) > 1 and (pooled := _pooled_std(name, events)) is not None:
        return pooled
    events = _of_latest([event for event in events if event.get(name) is not None])
    values = [float(event[name]) for event in events]
    if how == "last":
        # Those of other ranks are other counters.
        by_rank = {e.get("rank"): v for e, v in zip(events, values, strict=True)}
        values = list(by_rank.values())
    if len(values) < 2:
        return values[0] if values else None
    if any(map(math.isnan, values)):
        return math.nan
    if how == "sum":
        return sum(values)
    if how in ("min", "max"):
        return min(values) if how == "min" else max(values)
    if how == "last":
        return _mean(values, [1.0] * len(values))
    return _mean(values, [_weight(name, event) for event in events])


def _of_latest(events: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    latest = max((event.get("attempt", 0) for event in events), default=0)
    return [event for event in events if event.get("attempt", 0) == latest]


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    """Return the weighted mean. Values without weight are left out, unless all are without."""
    terms = [(w, v) for w, v in zip(weights, values, strict=True) if w]
    terms = terms or [(1.0, value) for value in values]
    total = sum(w for w, _ in terms)
    mean = sum(w * v for w, v in terms) / total
    if math.isfinite(mean):
        return mean
    return sum(w / total * v for w, v in terms)  # the sum of large numbers isn't finite


def _weight(name: str, event: Mapping[str, Any]) -> float:
    """Return the number of values, or of groups, that the value of a field is the mean of."""
    if name.endswith(ZERO_STD):
        return _count_groups(event, name.removesuffix(ZERO_STD))
    if name in SHARES_OF_GROUPS:
        groups = event.get("groups")
        return _count_groups(event, "rewards/total") if groups is None else float(groups)
    for count in names_of_counts(name):
        if (n := event.get(count)) is not None:
            return float(n) if _is_count(n) else 1.0
    return 1.0


@lru_cache(maxsize=8192)
def names_of_counts(name: str) -> list[str]:
    """Return the names that the number of values may have, nearest first.

    >>> names_of_counts("rewards/form/mean")
    ['rewards/form/n', 'rewards/n', 'n']
    """
    parts = name.split("/")[:-1]
    return ["/".join([*parts[:length], "n"]) for length in range(len(parts), -1, -1)]


def _is_count(n: Any) -> bool:
    return isinstance(n, int | float) and 0 <= n < math.inf


def _count_groups(event: Mapping[str, Any], name: str) -> float:
    """Return the number of groups of a list of rewards, or of its length; 1 if unknown."""
    values, size = event.get(name), event.get("num_generations")
    length = len(values) if isinstance(values, list) else values
    return length / size if length and size else 1.0


def _pooled_std(name: str, events: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the sample standard deviation of all values behind several events.

    None if it isn't known how many values there are, and what their means are.
    """
    base = name.removesuffix("std")
    has_all = [e for e in events if e.get(f"{base}mean") is not None and e.get(f"{base}n")]
    parts = [
        (float(e[f"{base}n"]), float(e[f"{base}mean"]), float(e.get(name) or 0.0))
        for e in _of_latest(has_all)
        if _is_count(e[f"{base}n"])
    ]
    count = sum(n for n, _, _ in parts)
    if count < 2:
        return None
    mean = sum(n * m for n, m, _ in parts) / count
    squares = sum((n - 1) * std * std + n * (m - mean) * (m - mean) for n, m, std in parts)
    return math.sqrt(squares / (count - 1)) if squares >= 0 else math.nan
