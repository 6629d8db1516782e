"""What the signals get to see of an event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from ._balance import Rewards
from ._findings import Metrics
from ._trend import is_usable

__all__ = ["read_metrics", "read_reward_means", "read_rewards"]

_MOST_FUNCTIONS = 16
_PREFIX = "rewards/"
_TOTAL = "rewards/total"
_AS_TRAINERS_SAY = {
    f"{_TOTAL}/mean": "reward",
    f"{_TOTAL}/frac_zero_std": "frac_reward_zero_std",
}


def read_metrics(event_dict: Mapping[str, Any]) -> Metrics:
    """Return the numbers of an event, NaN and infinities included."""
    return {
        name: float(value)
        for name, value in event_dict.items()
        if (kind := type(value)) is float or (kind is not str and _is_number(value))
    }


def read_reward_means(event_dict: Mapping[str, Any]) -> Metrics:
    """Return the statistics of a `reward` event by the names that a trainer gives them."""
    return {_AS_TRAINERS_SAY.get(name, name): v for name, v in read_metrics(event_dict).items()}


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


def _weights(event_dict: Mapping[str, Any]) -> Metrics:
    given = event_dict.get("weights")
    return read_metrics(given) if isinstance(given, Mapping) else {}


def _weigh(values: list[Any], weight: float) -> list[float | None]:
    products = [weight * v if type(v) is float or _is_number(v) else None for v in values]
    return [product if product is not None and is_usable(product) else None for product in products]


def _is_number(value: Any) -> TypeGuard[float]:
    """Whether a value can be calculated with: a float can't hold every integer."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < 2**1023
    return isinstance(value, float)
