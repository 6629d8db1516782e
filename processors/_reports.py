"""What the signals get to see of an event."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import nan
from typing import Any, TypeGuard

from logflume.values.plain import are_floats

from ._balance import Rewards
from ._trend import is_usable

__all__ = ["AS_TRAINERS_SAY", "are_usable", "as_metric", "is_a_number", "read_rewards"]

_MOST_FUNCTIONS = 16
_PREFIX = "rewards/"
_TOTAL = "rewards/total"

AS_TRAINERS_SAY = {
    f"{_TOTAL}/mean": "reward",
    f"{_TOTAL}/frac_zero_std": "frac_reward_zero_std",
}
"""What a trainer calls some fields of a `reward` event."""


def are_usable(values: Collection[Any]) -> bool:
    """Return whether all are floats whose sum of magnitudes can be squared, so each of them can."""
    return are_floats(values) and is_usable(sum(map(abs, values)))


def as_metric(value: Any) -> float:
    """Return a number that can be squared; NaN where the value is none."""
    return float(value) if is_a_number(value) and is_usable(value) else nan


def read_rewards(event_dict: Mapping[str, Any]) -> Rewards:
    """Return the weighted values of the functions of a flattened `reward` event.

    Empty where the functions are not of one length; of more than 16 functions the first ones.
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
        name: _weigh(columns[name], weights.get(name, 1.0))
        for name in list(columns)[:_MOST_FUNCTIONS]
    }


def _weights(event_dict: Mapping[str, Any]) -> Mapping[str, float]:
    given = event_dict.get("weights")
    numbers = given.items() if isinstance(given, Mapping) else ()
    return {name: float(value) for name, value in numbers if is_a_number(value)}


def _weigh(values: list[Any], weight: float) -> list[float | None]:
    products = [weight * v if type(v) is float or is_a_number(v) else None for v in values]
    return [product if product is not None and is_usable(product) else None for product in products]


def is_a_number(value: Any) -> TypeGuard[float]:
    """Whether a value can be calculated with: a float can't hold every integer."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < 2**1023
    return isinstance(value, float)
