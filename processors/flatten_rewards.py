"""Turns the lists of a `reward` event into `rewards/<name>` with their statistics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isnan, sqrt
from operator import mul
from typing import Any

__all__ = ["FlattenRewards"]

Values = list[float | None]

_USUAL = frozenset({float, type(None)})


class FlattenRewards:
    """A processor: in a `reward` event every field that is a list of numbers is a reward function.

    `correctness=[2.0, 0.0, None]` becomes `rewards/correctness` (the values) and
    `rewards/correctness/mean`, `/std`, `/min`, `/max`, `/n`. `None` and NaN mean that the function
    does not apply to that completion; statistics leave it out. The standard deviation is that of a
    sample (n - 1), as in TRL, and null for fewer than two values. Other fields stay as they are.

    `rewards/total` is the sum over the functions for each completion, weighted by
    `weights={"format": 0.5}` where the event gives that; null where no function applies.

    With `num_generations` (from the event, or from here) groups of that many neighbours share a
    prompt, and `/frac_zero_std` is the share of groups whose values are all equal: no signal to
    learn from.

    Args:
        num_generations: Completions a group, for events that don't say.
    """

    detachable = True
    event_types = frozenset({"reward"})

    def __init__(self, *, num_generations: int | None = None) -> None:
        self._num_generations = num_generations

    def __call__(
        self, _logger: Any, _method_name: str, event_dict: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the event, flattened if it is a `reward`."""
        if event_dict.get("event") != "reward":
            return event_dict
        rewards = {name: value for name, value in event_dict.items() if _is_rewards(value)}
        flat = {name: value for name, value in event_dict.items() if name not in rewards}
        named: dict[str, Values] = {}
        for name, values in rewards.items():
            short = name.removeprefix("rewards/")
            while short in named or f"rewards/{short}" in flat:  # `a` beside `rewards/a`
                short = f"rewards/{short}"
            named[short] = values
        group_size = _positive(event_dict.get("num_generations")) or self._num_generations
        if group_size is not None and flat.get("num_generations") is None:
            flat["num_generations"] = group_size
        if "total" not in named:
            total = _total(named, event_dict.get("weights"))
            named = {**named, "total": total} if total is not None else named
        for name, values in named.items():
            flat[f"rewards/{name}"] = values
            for statistic, number in _statistics(values, group_size):
                flat[f"rewards/{name}/{statistic}"] = number
        return flat


def _is_rewards(value: Any) -> bool:
    return isinstance(value, list) and (
        _USUAL.issuperset(map(type, value)) or all(v is None or _is_number(v) for v in value)
    )


def _is_number(value: Any) -> bool:
    """Whether a value can be calculated with: a float can't hold every integer."""
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**1023)


def _positive(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _total(named: Mapping[str, Values], weights: Any) -> Values | None:
    """Return the weighted sum of the functions a completion; None if their lengths differ."""
    if not named or len({len(values) for values in named.values()}) != 1:
        return None
    given = weights if isinstance(weights, Mapping) else {}
    factors = [_number(given.get(name, 1.0)) for name in named]
    return [_weighted_sum(row, factors) for row in zip(*named.values(), strict=True)]


def _number(value: Any) -> float:
    return float(value) if _is_number(value) else 1.0


def _weighted_sum(row: tuple[float | None, ...], factors: list[float]) -> float | None:
    applying = [f * v for v, f in zip(row, factors, strict=True) if v is not None and not isnan(v)]
    return sum(applying) if applying else None


def _statistics(values: Values, group_size: int | None) -> Iterator[tuple[str, float | int | None]]:
    numbers = [float(v) for v in values if v is not None and not isnan(v)]
    count = len(numbers)
    # `sum` and not `fsum`: where both infinities meet the mean is NaN, and no error.
    mean = sum(numbers) / count if count else None
    yield "mean", mean
    yield "std", _sample_std(numbers, mean)
    yield "min", min(numbers, default=None)
    yield "max", max(numbers, default=None)
    yield "n", count
    if group_size is not None and (share := _frac_zero_std(values, group_size)) is not None:
        yield "frac_zero_std", share


def _sample_std(numbers: list[float], mean: float | None) -> float | None:
    if mean is None or len(numbers) < 2:
        return None
    # Not `** 2`, which raises where a product is infinite.
    off = [n - mean for n in numbers]
    return sqrt(sum(map(mul, off, off)) / (len(numbers) - 1))


def _frac_zero_std(values: Values, group_size: int) -> float | None:
    """Return the share of groups without spread; None if the values don't form whole groups."""
    if not values or len(values) % group_size:
        return None
    groups = [values[i : i + group_size] for i in range(0, len(values), group_size)]
    distinct = [{v for v in group if v is not None and not isnan(v)} for group in groups]
    return sum(len(seen) <= 1 for seen in distinct) / len(groups)
