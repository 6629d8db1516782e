"""Extracts from an event the numbers that the signals of `watch_training` evaluate."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import nan, sqrt
from typing import Any, TypeGuard

from logflume.values.plain import are_floats

from ._balance import Rewards
from ._trend import Stats, is_usable

__all__ = [
    "TRAINER_NAMES",
    "are_usable",
    "as_metric",
    "is_number",
    "read_rewards",
    "spread_within_groups",
]

_MAX_FUNCTIONS = 16
_PREFIX = "rewards/"
_TOTAL = "rewards/total"

TRAINER_NAMES = {
    f"{_TOTAL}/mean": "reward",
    f"{_TOTAL}/frac_zero_std": "frac_reward_zero_std",
}
"""Maps fields of a `reward` event to the names under which a trainer reports the same metrics."""


def are_usable(values: Collection[Any]) -> bool:
    """Return whether all values are floats and the square of their summed magnitudes is finite.

    The square of each single value is then finite, too.
    """
    return are_floats(values) and is_usable(sum(map(abs, values)))


def as_metric(value: Any) -> float:
    """Return a value as a float; NaN if it is not a number, or if its square is not finite."""
    return float(value) if is_number(value) and is_usable(value) else nan


def read_rewards(event_dict: Mapping[str, Any]) -> Rewards:
    """Return the weighted values of each reward function of a flattened `reward` event.

    At most 16 functions are returned, the first ones. Empty if the functions have different
    numbers of values.
    """
    weights = _weights(event_dict)
    columns = {
        name.removeprefix(_PREFIX): value
        for name, value in event_dict.items()
        if name.startswith(_PREFIX) and name != _TOTAL and isinstance(value, list)
    }
    if len({len(values) for values in columns.values()}) != 1:
        return {}
    return {
        name: _apply_weight(columns[name], weights.get(name, 1.0))
        for name in list(columns)[:_MAX_FUNCTIONS]
    }


def spread_within_groups(event_dict: Mapping[str, Any]) -> float | None:
    """Return the mean standard deviation of the total reward within groups, as TRL reports it.

    It is the standard deviation over the batch if the event (a flattened `reward` event) has no
    groups; None if there is none either.
    """
    values, size = event_dict.get(_TOTAL), event_dict.get("num_generations")
    if isinstance(values, list) and isinstance(size, int) and size > 1 and not len(values) % size:
        groups = [values[i : i + size] for i in range(0, len(values), size)]
        numbers = [[v for v in group if is_number(v) and is_usable(v)] for group in groups]
        if spreads := [_sample_std(group) for group in numbers if len(group) > 1]:
            return sum(spreads) / len(spreads)
    std = event_dict.get(f"{_TOTAL}/std")
    return std if is_number(std) else None


def _sample_std(values: Sequence[float]) -> float:
    return Stats(values).std * sqrt(len(values) / (len(values) - 1))


def _weights(event_dict: Mapping[str, Any]) -> Mapping[str, float]:
    weights = event_dict.get("weights")
    items = weights.items() if isinstance(weights, Mapping) else ()
    return {name: float(value) for name, value in items if is_number(value)}


def _apply_weight(values: list[Any], weight: float) -> list[float | None]:
    products = [weight * v if type(v) is float or is_number(v) else None for v in values]
    return [product if product is not None and is_usable(product) else None for product in products]


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is a number that converts to a float; larger integers and bools are not."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < 2**1023
    return isinstance(value, float)
