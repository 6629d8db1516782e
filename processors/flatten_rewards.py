"""Turns the lists of a `reward` event into `rewards/<name>`; adds the total of a completion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite, isinf, isnan, sqrt
from operator import mul
from typing import Any

from logflume.protocols import EventDict
from logflume.values.plain import are_floats, brief_json

from ._reports import report_limited

__all__ = ["FlattenRewards"]

Values = list[float | None]

_NO_REWARDS = (
    "a reward event has no rewards, which are lists of numbers: its field {} is {}, which is kept "
    "as it is"
)
_UNEQUAL = (
    "the functions of a reward event have different numbers of values ({}), so it has no "
    "rewards/total"
)

_TOTAL = "rewards/total"
_NAN = (
    "NaN for {} of {} completions; left out of the mean and the total, as if the function did not "
    "apply"
)
_INFINITE = "infinite for {} of {} completions, so that the mean is not finite"

_COMMON_TYPES = frozenset({float, type(None)})


class FlattenRewards:
    """A processor that treats each list of numbers in a `reward` event as a reward function.

    `correctness=[2.0, 0.0, None]` becomes `rewards/correctness` (the values) and
    `rewards/correctness/mean`, `/std`, `/min`, `/max` and `/n`. `None` means that the function does
    not apply to that completion; the statistics ignore it. They ignore NaN, too, but NaN and
    infinities are reported, once for each function. The standard deviation is that of a sample
    (n - 1), as in TRL, and null for fewer than two values. Other fields are left unchanged. The
    lists may also be in a mapping, `rewards={"correctness": [2.0, 0.0]}`. An event without any list
    of numbers, but with another list, is reported once.

    `rewards/total` is the sum over the functions for each completion, null if none applies. The
    field `weights` of the event (`weights={"format": 0.5}`) gives the weights of the sum, and so do
    fields such as `weights/format`. Without as many values of one function as of another there is
    no total, which is reported once.

    With `num_generations`, from the event or from the option, each group of that many consecutive
    completions shares a prompt. `/frac_zero_std` is then the share of groups whose values are all
    equal, which give no learning signal.

    A `model_output` event has the rewards of one completion: `rewards={"correctness": 2.0}`. It
    gets its `rewards/total` in the same way, from its own `weights`, unless it has one.

    Args:
        num_generations: Completions per group, for events without this field.
    """

    detachable = True
    event_types = frozenset({"reward", "model_output"})

    def __init__(self, *, num_generations: int | None = None) -> None:
        self._num_generations = num_generations
        self._reported: set[tuple[str, str]] = set()

    def __call__(
        self, _logger: Any, _method_name: str, event_dict: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the event: a `reward` event flattened, a `model_output` with its total."""
        if event_dict.get("event") == "model_output":
            return _with_total(event_dict)
        if event_dict.get("event") != "reward":
            return event_dict
        event_dict = _with_lists_of_mapping(event_dict)
        rewards = {name: value for name, value in event_dict.items() if _is_rewards(value)}
        flat = {name: value for name, value in event_dict.items() if name not in rewards}
        functions: dict[str, Values] = {}
        for name, values in rewards.items():
            short = name.removeprefix("rewards/")
            while short in functions or f"rewards/{short}" in flat:  # both `a` and `rewards/a`
                short = f"rewards/{short}"
            functions[short] = values
        if not functions and (other := _find_list(flat)) is not None:
            self._report_once("flatten_rewards", _NO_REWARDS, event_dict, *other)
        if len(set(map(len, functions.values()))) > 1:
            counts = ", ".join(f"{name} {len(values)}" for name, values in functions.items())
            self._report_once("flatten_rewards", _UNEQUAL, event_dict, counts)
        group_size = _positive(event_dict.get("num_generations")) or self._num_generations
        if group_size is not None and flat.get("num_generations") is None:
            flat["num_generations"] = group_size
        if "total" not in functions:
            total = _total(functions, _weights(event_dict))
            functions = {**functions, "total": total} if total is not None else functions
        for name, values in functions.items():
            flat[f"rewards/{name}"] = values
            for statistic, number in _statistics(values, group_size):
                flat[f"rewards/{name}/{statistic}"] = number
            if name != "total":
                self._check_finite(name, values, flat, event_dict)
        return flat

    def process_columns(self, columns: dict[str, Sequence[Any]]) -> dict[str, Sequence[Any]] | None:
        """Return completions that have their totals, as those of `attach` do; None: any others."""
        return columns if columns["event"][0] == "model_output" and _TOTAL in columns else None

    def _check_finite(
        self, name: str, values: Values, flat: Mapping[str, Any], event_dict: EventDict
    ) -> None:
        """Report values that aren't finite, which the statistics show at no cost."""
        mean, count = flat[f"rewards/{name}/mean"], flat[f"rewards/{name}/n"]
        known = count + values.count(None)
        for problem, found in (
            (_NAN, len(values) - known if known < len(values) else 0),
            (_INFINITE, 0 if mean is None or isfinite(mean) else sum(map(isinf, _numbers(values)))),
        ):
            if found:
                self._report_once(f"rewards/{name}", problem, event_dict, found, len(values))

    def _report_once(
        self, component: str, problem: str, event_dict: EventDict, *details: Any
    ) -> None:
        if (component, problem) not in self._reported:
            self._reported.add((component, problem))
            report_limited(component, problem.format(*details), event_dict)


def _with_total(event_dict: dict[str, Any]) -> dict[str, Any]:
    """Return a completion with the weighted sum of its rewards, unless it has a total."""
    rewards = {name: v for name, v in event_dict.items() if name.startswith("rewards/")}
    if isinstance(mapping := event_dict.get("rewards"), Mapping):
        rewards |= {f"rewards/{name}": value for name, value in mapping.items()}
    if _TOTAL in rewards:
        return event_dict
    functions: dict[str, Values] = {
        name.removeprefix("rewards/"): [float(value)]
        for name, value in rewards.items()
        if _is_number(value)
    }
    total = _total(functions, _weights(event_dict))
    return event_dict if total is None or total[0] is None else {**event_dict, _TOTAL: total[0]}


def _weights(event_dict: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the weights of an event, which has a mapping of them or fields `weights/<name>`."""
    if isinstance(mapping := event_dict.get("weights"), Mapping):
        return mapping
    return {
        name.removeprefix("weights/"): weight
        for name, weight in event_dict.items()
        if name.startswith("weights/")
    }


def _find_list(event_dict: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the name and the JSON text of the first list with values; None without one."""
    lists = ((name, v) for name, v in event_dict.items() if isinstance(v, list) and v)
    return next(((name, brief_json(values)) for name, values in lists), None)


def _with_lists_of_mapping(event_dict: dict[str, Any]) -> dict[str, Any]:
    """Return the event with the lists of the mapping `rewards` as fields `rewards/<name>`."""
    mapping = event_dict.get("rewards")
    if not isinstance(mapping, Mapping) or not all(map(_is_rewards, mapping.values())):
        return event_dict
    lists = {f"rewards/{name}": values for name, values in mapping.items()}
    if not lists or not lists.keys().isdisjoint(event_dict):
        return event_dict
    return {**{name: v for name, v in event_dict.items() if name != "rewards"}, **lists}


def _is_rewards(value: Any) -> bool:
    return isinstance(value, list) and (
        _COMMON_TYPES.issuperset(map(type, value)) or all(v is None or _is_number(v) for v in value)
    )


def _is_number(value: Any) -> bool:
    """Whether a value is a number that converts to a float; larger integers are not."""
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**1023)


def _positive(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _total(functions: Mapping[str, Values], weights: Mapping[str, Any]) -> Values | None:
    """Return the weighted sum for each completion; None if the functions differ in length."""
    if not functions or len({len(values) for values in functions.values()}) != 1:
        return None
    factors = [_weight(weights.get(name, 1.0)) for name in functions]
    if all(map(_apply_to_all, functions.values())):
        weighted = [
            values if factor == 1 else [factor * value for value in values]  # type: ignore[operator]
            for factor, values in zip(factors, functions.values(), strict=True)
        ]
        return list(map(sum, zip(*weighted, strict=True)))
    return [_weighted_sum(row, factors) for row in zip(*functions.values(), strict=True)]


def _apply_to_all(values: Values) -> bool:
    """Whether all values are floats other than NaN, which are most lists."""
    return are_floats(values) and not isnan(sum(values))  # type: ignore[arg-type]


def _weight(value: Any) -> float:
    return float(value) if _is_number(value) else 1.0


def _weighted_sum(row: tuple[float | None, ...], factors: list[float]) -> float | None:
    terms = [f * v for v, f in zip(row, factors, strict=True) if v is not None and not isnan(v)]
    return sum(terms) if terms else None


def _statistics(values: Values, group_size: int | None) -> Iterator[tuple[str, float | int | None]]:
    numbers = _numbers(values)
    count = len(numbers)
    # With infinities of both signs, `sum` gives NaN where `fsum` raises.
    mean = sum(numbers) / count if count else None
    yield "mean", mean
    yield "std", _sample_std(numbers, mean)
    yield "min", min(numbers, default=None)
    yield "max", max(numbers, default=None)
    yield "n", count
    if group_size is not None and values and not len(values) % group_size:
        groups = [values[i : i + group_size] for i in range(0, len(values), group_size)]
        distinct = map(set, groups if count == len(values) else map(_numbers, groups))
        yield "frac_zero_std", sum([len(some) <= 1 for some in distinct]) / len(groups)


def _numbers(values: Values) -> list[float]:
    """Return the values that are numbers."""
    if _apply_to_all(values):
        return values  # type: ignore[return-value]
    return [float(v) for v in values if v is not None and not isnan(v)]


def _sample_std(numbers: list[float], mean: float | None) -> float | None:
    if mean is None or len(numbers) < 2:
        return None
    # `** 2` would raise on overflow; `mul` gives infinity.
    deviations = [n - mean for n in numbers]
    return sqrt(sum(map(mul, deviations, deviations)) / (len(numbers) - 1))
