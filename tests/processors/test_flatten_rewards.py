"""`flatten_rewards`: the values and statistics of reward functions, in TRL's conventions."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from trl.trainer.utils import nanstd

import logflume
from logflume.processors.flatten_rewards import FlattenRewards
from logflume.protocols import Event
from logflume.testing import capture_events
from tests.event_helpers import fields, only

NAN = math.nan
INF = math.inf


def flatten(options: dict[str, Any] | None = None, /, **values: Any) -> dict[str, Any]:
    """Log a `reward` event through the pipeline, and return its fields."""
    with capture_events({"flatten_rewards": options}) as events:
        logflume.get_logger().info("reward", **values)
    return fields(only(events))


def test_one_function() -> None:
    """A list becomes values and statistics; the total of a single function equals it."""
    event = flatten(correctness=[2.0, 0.0, 2.0, 0.0])

    statistics = {
        "": [2.0, 0.0, 2.0, 0.0],
        "/mean": 1.0,
        "/std": math.sqrt(4 / 3),
        "/min": 0.0,
        "/max": 2.0,
        "/n": 4,
    }
    assert {
        f"rewards/{name}{statistic}": value
        for name in ("correctness", "total")
        for statistic, value in statistics.items()
    } == event


def test_lists_in_a_mapping() -> None:
    """The lists of a mapping `rewards` are reward functions, unless a field has the name of one."""
    assert flatten(a=[1.0, 2.0], b=[3.0, 4.0]) == flatten(
        rewards={"a": [1.0, 2.0], "b": [3.0, 4.0]}
    )

    both = flatten(rewards={"a": [1.0, 2.0]}, **{"rewards/a": [5.0, 7.0]})

    assert 6.0 == both["rewards/a/mean"]
    assert {"rewards/a": [5.0, 7.0]} == json.loads(both["extras"])


@pytest.mark.parametrize("missing", [None, NAN])
def test_values_that_do_not_apply(missing: float | None) -> None:
    """None and NaN are kept among the values, and ignored by the statistics and the total."""
    event = flatten(a=[1.0, missing, 3.0], b=[missing, missing, 0.5])

    assert (2.0, 2, 1.0, 3.0) == tuple(event[f"rewards/a/{s}"] for s in ("mean", "n", "min", "max"))
    assert [1.0, None, 3.5] == event["rewards/total"]
    assert 3 == len(event["rewards/a"])


@pytest.mark.parametrize("values", [[], [None], [NAN, None]])
def test_no_value_at_all(values: list[Any]) -> None:
    """If a function applies to no completion, its statistics are null and n is 0."""
    event = flatten(a=values)

    assert [None] * 4 == [event[f"rewards/a/{s}"] for s in ("mean", "std", "min", "max")]
    assert 0 == event["rewards/a/n"]
    assert [None] * len(values) == event["rewards/total"]


def test_other_fields_are_unchanged() -> None:
    """Numbers, texts, lists of texts and mappings are not reward functions."""
    event = flatten(a=[1], step_time=0.5, note="x", names=["p", "q"], m={"k": 1}, flag=True)

    assert {
        "step_time": 0.5,
        "note": "x",
        "names": ["p", "q"],
        "m/k": 1.0,
        "flag": True,
    }.items() <= (event.items())


def test_other_types_pass_unchanged() -> None:
    """Only `reward` events are flattened."""
    with capture_events("flatten_rewards") as events:
        logflume.get_logger().info("probe", a=[1, 2])

    assert {"a": [1.0, 2.0]} == fields(only(events))


def test_weights() -> None:
    """The total uses the weights of the event, in either form; the default weight is 1."""
    assert [1.5] == flatten(a=[1.0], b=[1.0], **{"weights/b": 0.5})["rewards/total"]
    event = flatten(a=[1.0, 2.0], b=[1.0, None], weights={"b": 0.5, "unknown": 9})

    assert [1.5, 2.0] == event["rewards/total"]
    assert 0.5 == event["weights/b"]


def completion(**values: Any) -> Event:
    """Log a completion through the pipeline, and return its event."""
    with capture_events("flatten_rewards") as events:
        logflume.log_model_output("q", **values)
    return only(events)


def test_the_total_of_a_completion() -> None:
    """It is the weighted sum of the rewards that apply, however they were logged."""
    rewards = {"a": 1.0, "b": 0.5, "c": None, "d": NAN}
    assert 1.5 == completion(rewards=rewards)["rewards/total"]
    assert 2.0 == completion(rewards=rewards, weights={"b": 2})["rewards/total"]
    assert 3.5 == completion(**{"rewards/a": 1, "rewards/b": torch.tensor(2.5)})["rewards/total"]


@pytest.mark.parametrize(
    "values",
    [{"rewards": {"a": 1.0, "total": 7.0}}, {"rewards": {"a": 1.0}, "rewards/total": 7.0}],
)
def test_a_completion_with_a_total_keeps_it(values: dict[str, Any]) -> None:
    """A total that was logged is never replaced."""
    assert 7.0 == completion(**values)["rewards/total"]


@pytest.mark.parametrize("values", [{}, {"rewards": {"a": None}}, {"rewards": {"a": "high"}}])
def test_a_completion_without_rewards_has_no_total(values: dict[str, Any]) -> None:
    """Where no function applies, there is nothing to add up."""
    assert completion(**values).get("rewards/total") is None


def test_explicit_total() -> None:
    """A field `total` is used as the total, with statistics; no other total is computed."""
    event = flatten(a=[1.0, 2.0], total=[7.0, 9.0])

    assert ([7.0, 9.0], 8.0) == (event["rewards/total"], event["rewards/total/mean"])


def test_functions_of_unequal_lengths() -> None:
    """Each function has statistics, but there is no total, because the rows don't correspond."""
    event = flatten(a=[1.0, 2.0], b=[1.0])

    assert (1.5, 1.0) == (event["rewards/a/mean"], event["rewards/b/mean"])
    assert "rewards/total" not in event


def test_bools_and_integers_are_numbers() -> None:
    """A function may return bools or integers, mixed with None."""
    event = flatten(a=[True, False, None], b=[1, 2, 3])

    assert [1.0, 0.0, None] == event["rewards/a"]
    assert (0.5, 2.0, [2.0, 2.0, 3.0]) == (
        event["rewards/a/mean"],
        event["rewards/b/mean"],
        event["rewards/total"],
    )


def test_tensors_and_arrays() -> None:
    """Tensors, arrays and tuples are accepted as values."""
    event = flatten(a=torch.tensor([1.0, 3.0]), b=torch.tensor([1.0, 3.0]).numpy(), c=(1, 3))

    assert [[3.0, 9.0]] == [event["rewards/total"]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([INF, 1.0], INF), ([-INF, 1.0], -INF), ([INF, -INF], NAN), ([1e308, 1e308], INF)],
)
def test_infinities(values: list[float], expected: float) -> None:
    """Infinite rewards give infinite means, or NaN for both signs, without an error."""
    event = flatten(a=values)

    assert pytest.approx(expected, nan_ok=True) == event["rewards/a/mean"]
    assert (min(values), max(values)) == (event["rewards/a/min"], event["rewards/a/max"])


def test_names_with_the_prefix() -> None:
    """`rewards/a` is the function `a`; if both names occur, the later one gets a longer name."""
    event = flatten(**{"rewards/a": [1.0], "rewards/b": [2.0], "b": [3.0]})

    assert ([1.0], [2.0], [3.0]) == (
        event["rewards/a"],
        event["rewards/b"],
        event["rewards/rewards/b"],
    )
    assert [6.0] == event["rewards/total"]


@pytest.mark.parametrize(
    ("values", "size", "share"),
    [
        ([1, 1, 0, 1], 2, 0.5),
        ([1, 1, 0, 0], 2, 1.0),
        ([1, 0, 0, 1], 2, 0.0),
        ([1, None, 1, NAN], 2, 1.0),
        ([1, 2, 3], 1, 1.0),
        ([1, 2, 3], 2, None),
        ([1, 1], 4, None),
        ([], 2, None),
        ([1, 1], 0, None),
        ([1, 1], -1, None),
        ([1, 1], "2", None),
    ],
)
def test_groups_without_spread(values: list[Any], size: Any, share: float | None) -> None:
    """`frac_zero_std` is the share of groups without spread, if the values form complete groups."""
    assert share == flatten(a=values, num_generations=size).get("rewards/a/frac_zero_std")


def test_group_size_from_the_configuration() -> None:
    """The group size of the configuration is used for events that don't have their own."""
    configured = flatten({"num_generations": 2}, a=[1, 1, 0, 1])
    own = flatten({"num_generations": 2}, a=[1, 1, 0, 1], num_generations=4)

    assert (0.5, 2) == (configured["rewards/a/frac_zero_std"], configured["num_generations"])
    assert (0.0, 4) == (own["rewards/a/frac_zero_std"], own["num_generations"])


REWARDS = st.lists(st.none() | st.floats(-100, 100, width=32), min_size=2, max_size=32)


@settings(deadline=None)
@given(values=REWARDS)
def test_mean_and_std_match_trl(values: list[float | None]) -> None:
    """Mean and standard deviation equal those of TRL, to the precision of its float32."""
    event = FlattenRewards()(None, "info", {"event": "reward", "a": values})
    tensor = torch.tensor([NAN if value is None else value for value in values])
    if (count := event["rewards/a/n"]) == 0:
        return

    assert pytest.approx(torch.nanmean(tensor).item(), abs=1e-3) == event["rewards/a/mean"]
    if count > 1:
        assert pytest.approx(nanstd(tensor).item(), abs=1e-3) == event["rewards/a/std"]


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.just(10**400)
ANY_VALUE = st.recursive(
    LEAVES | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(["a", "b", "rewards/a", "total", "weights", "num_generations", "step"])


@settings(deadline=None)
@given(values=st.dictionaries(NAMES, ANY_VALUE), size=st.none() | st.integers(1, 4))
def test_any_values(values: dict[str, Any], size: int | None) -> None:
    """Flattening any `reward` event doesn't raise and loses no value."""
    flat = FlattenRewards(num_generations=size)(None, "info", {"event": "reward", **values})
    kept = {id(value) for value in flat.values()}

    assert "reward" == flat["event"]
    assert [] == [name for name, value in values.items() if value and id(value) not in kept]


@pytest.mark.parametrize("values", [{"a": ["x", "y"]}, {"a": [1.0, "y"]}])
def test_an_event_without_rewards_is_reported(values: dict[str, Any]) -> None:
    """An event that has lists, but none of numbers, is reported once, with a list."""
    events = _log_twice(values)

    (report,) = (e for e in events if e.get("status") == "limited")
    assert "flatten_rewards" == report["component"]
    assert "no rewards, which are lists of numbers: its field a is [" in report["message"]


def test_lists_of_different_lengths_are_reported() -> None:
    """Without as many values of one function as of another, one report says why no total exists."""
    events = _log_twice({"a": [1.0, 2.0], "b": [1.0]})

    (report,) = (e for e in events if e.get("status") == "limited")
    assert "(a 2, b 1), so it has no rewards/total" in report["message"]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ([1.0, NAN, 3.0], "NaN for 1 of 3 completions; left out of the mean and the total, as if"),
        ([NAN, None, NAN], "NaN for 2 of 3 completions; left out of the mean and the total, as if"),
        ([1.0, INF, -INF], "infinite for 2 of 3 completions, so that the mean is not finite"),
        ([None, INF, 1.0], "infinite for 1 of 3 completions, so that the mean is not finite"),
    ],
)
def test_values_that_are_not_finite_are_reported(values: list[Any], problem: str) -> None:
    """Each function with NaN or infinities is reported once, with the number of completions."""
    events = _log_twice({"a": values, "b": [0.5, None, 1.0], "c": values})

    reports = [e for e in events if e.get("status") == "limited"]
    assert ["rewards/a", "rewards/c"] == [e["component"] for e in reports]
    assert all(e["message"].startswith(f"{e['component']}: {problem}") for e in reports)


@pytest.mark.parametrize("values", [[None, 1.0], [None], [1e308, 1e308]])
def test_finite_values_are_not_reported(values: list[Any]) -> None:
    """None, and a mean that overflows, are what they seem."""
    assert not [e for e in _log_twice({"a": values}) if e.get("status") == "limited"]


@pytest.mark.parametrize("values", [{"a": [1.0], "prompts": ["x"]}, {"a": 1.0}, {"a": []}])
def test_other_fields_of_rewards_are_not_reported(values: dict[str, Any]) -> None:
    """Texts with rewards, numbers without, and empty lists are what they seem."""
    assert not [e for e in _log_twice(values) if e.get("status") == "limited"]


def _log_twice(values: dict[str, Any]) -> list[Event]:
    with capture_events("flatten_rewards") as events:
        for _ in range(2):
            logflume.get_logger().info("reward", **values)
    return events
