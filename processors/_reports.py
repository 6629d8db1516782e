"""What the signals get to see of an event."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Any, TypeGuard

from ._balance import Rewards
from ._findings import Metrics
from ._trend import is_usable

__all__ = ["AS_TRAINERS_SAY", "is_a_number", "read_metrics", "read_rewards"]

_MOST_FUNCTIONS = 16
_PREFIX = "rewards/"
_TOTAL = "rewards/total"

AS_TRAINERS_SAY = {
    f"{_TOTAL}/mean": "reward",
    f"{_TOTAL}/frac_zero_std": "frac_reward_zero_std",
}
"""What a trainer calls some fields of a `reward` event."""


def read_metrics(event_dict: Mapping[str, Any], names: Mapping[str, str]) -> Metrics:
    """Return some numbers of an event.

    Args:
        event_dict: The event.
        names: Fields that it has, and the names of the metrics in them.
    """
    return {metric: _metric(event_dict[name]) for name, metric in names.items()}


def _metric(value: Any) -> float:
    is_number = type(value) is float or is_a_number(value)
    return float(value) if is_number and is_usable(value) else nan


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
