"""The kinds of fields: fixed within a run, whatever is logged."""

from __future__ import annotations

import json
from typing import Any

import pytest

import logflume
from logflume.protocols import Event
from logflume.testing import capture_events
from tests.event_helpers import fields, own

ABSENT = "absent"


def log_all(values: list[Any], event: str = "probe", name: str = "x") -> list[Event]:
    """Log each value as the field `name` of a separate event."""
    with capture_events() as events:
        for value in values:
            logflume.get_logger("mine").info(event, **{name: value})
    return [event for event in events if event["logger"] == "mine"]


def extras(event: Event) -> Any:
    """Return the content of `extras`."""
    return json.loads(event["extras"]) if "extras" in event else {}


@pytest.mark.parametrize(
    ("first", "later", "kept"),
    [
        (1, 0.5, 0.5),
        (0.5, 1, 1.0),
        (1, None, None),
        (None, "text", "text"),
        (True, False, False),
        ("a", "b", "b"),
        ([1, 2], [0.5], [0.5]),
        ([1.5], [], []),
        ([None], [1], [1.0]),
        (["a"], ["b", None], ["b", None]),
        (["a"], [], []),
        ([True, False], [1.5], [1.5]),
        ([1, "a"], [2], "[2]"),
        ([[1]], [[2], [3]], "[[2],[3]]"),
        ("a", ["b"], '["b"]'),
    ],
)
def test_a_value_of_the_same_kind_fits(first: Any, later: Any, kept: Any) -> None:
    """A later value that fits the kind of the first one is kept in the field."""
    _, event = log_all([first, later])

    assert {"x": kept} == fields(event)
    assert type(kept) is type(event["x"])


@pytest.mark.parametrize(
    ("first", "later"),
    [
        (1, "text"),
        (1, True),
        (1, [1]),
        (1.5, 2**60 + 1),
        (True, 1),
        (True, "true"),
        ("a", 1),
        ("a", 0.5),
        ("a", True),
        ([1], ["a"]),
        ([1], 1),
        ([1], [2**60 + 1]),
        (["a"], [1]),
        (["a"], "b"),
        (["a"], ["b", 1]),
    ],
)
def test_a_misfit_is_kept_in_extras(first: Any, later: Any) -> None:
    """A value of another kind is kept unchanged in `extras`, not in the field."""
    _, event = log_all([first, later])

    assert {"x": later} == extras(event)
    assert ABSENT == event.get("x", ABSENT)


@pytest.mark.parametrize("number", [1, 0, -1, 2**53, 2**62, -(2**63), True and 7])
def test_every_number_is_float64(number: int) -> None:
    """An integer in an undeclared field is stored as a float64."""
    (event,) = log_all([number])

    assert float(number) == event["x"]
    assert float is type(event["x"])


@pytest.mark.parametrize("number", [2**53 + 1, 2**63 + 1, 2**64 - 1, -(2**53) - 1, 10**400])
def test_an_integer_that_no_float_holds_is_kept_exactly(number: int) -> None:
    """Such an integer goes to `extras` with all digits and doesn't determine the kind."""
    event, after = log_all([number, "text"])

    assert {"x": number} == extras(event)
    assert "text" == after["x"]


def test_an_integer_too_long_for_decimal() -> None:
    """Python refuses to print an integer of 5,000 digits; it is written in hexadecimal."""
    event, declared = log_all([10**5000], "probe") + log_all([10**5000], "checkpoint", "path")

    assert {"x": hex(10**5000)} == extras(event)
    assert hex(10**5000) == declared["path"]


@pytest.mark.parametrize("value", [[], [None], [None, None], {}])
def test_values_without_a_kind(value: Any) -> None:
    """Empty lists and mappings go to `extras` and don't determine the kind."""
    event, number, text = log_all([value, 1.5, "text"])

    assert {"x": value} == extras(event)
    assert {"x": 1.5} == fields(number)
    assert {"x": "text"} == extras(text)


@pytest.mark.parametrize(
    ("event", "name", "value", "kept"),
    [
        ("training", "loss", 1, 1.0),
        ("training", "loss", None, None),
        ("model_output", "truncated", True, True),
        ("model_output", "true_answer", 4, "4"),
        ("model_output", "true_answer", 0.5, "0.5"),
        ("model_output", "true_answer", float("nan"), "NaN"),
        ("model_output", "true_answer", True, "true"),
        ("model_output", "true_answer", {"a": [1]}, '{"a":[1]}'),
        ("model_output", "generation", 3.0, 3),
        ("model_output", "rewards", {"a": 1, "total": 2}, ABSENT),
        ("reward", "rewards/a", [1, None], [1.0, None]),
        ("reward", "rewards/a", [], []),
        ("reward", "rewards/a", [None], [None]),
        ("reward", "rewards/a/n", 3.0, 3),
        ("system", "gpu/0/throttle_reasons", "power_cap", "power_cap"),
        ("run_started", "hyperparameters/beta", 1, 1.0),
        ("run_started", "config", {"a": {}}, '{"a":{}}'),
    ],
)
def test_declared_fields_have_their_declared_kind(
    event: str, name: str, value: Any, kept: Any
) -> None:
    """Declared fields and families have the declared kind: `1` is a number or an integer."""
    (logged,) = log_all([value], event, name)

    assert kept == logged.get(name, ABSENT)
    assert type(kept) is type(logged.get(name, ABSENT))
    assert "extras" not in logged


@pytest.mark.parametrize(
    ("event", "name", "value"),
    [
        ("training", "loss", "0.5"),
        ("training", "loss", True),
        ("training", "loss", [0.5]),
        ("model_output", "generation", 0.5),
        ("model_output", "generation", 2**63),
        ("model_output", "truncated", 1),
        ("model_output", "rewards/a", [1]),
        ("reward", "rewards/a", 1),
        ("reward", "rewards/a/mean", [1]),
    ],
)
def test_a_misfit_of_a_declared_field(event: str, name: str, value: Any) -> None:
    """A misfit of the declared kind goes to `extras`, even as the field's first value."""
    (logged,) = log_all([value], event, name)

    assert ABSENT == logged.get(name, ABSENT)
    assert {name: value} == extras(logged)


def test_infinity_is_no_integer() -> None:
    """An infinity in a declared integer field goes to `extras`, by its name."""
    (event,) = log_all([float("inf")], "model_output", "generation")

    assert {"generation": "Infinity"} == extras(event)


def test_kinds_are_by_type() -> None:
    """Two event types may have fields of one name and two kinds."""
    with capture_events() as events:
        logflume.get_logger().info("one", x=1)
        logflume.get_logger().info("two", x="text")

    assert [1.0, "text"] == [event["x"] for event in own(events)]


@pytest.mark.parametrize(
    ("first_argument", "event", "message"),
    [
        ("reward", "reward", None),
        ("kl.spike", "kl.spike", None),
        ("_private", "_private", None),
        ("a" * 100, "a" * 100, None),
        ("a" * 101, "message", "a" * 101),
        ("Learning rate may be too high", "message", "Learning rate may be too high"),
        ("größe", "message", "größe"),
        ("kl.", "message", "kl."),
        ("1st", "message", "1st"),
        ("reward\n", "message", "reward\n"),
        ("", "message", ""),
    ],
)
def test_an_identifier_is_the_type(first_argument: str, event: str, message: str | None) -> None:
    """The first argument of a call with fields is the type if it is an identifier, else text."""
    with capture_events() as events:
        logflume.get_logger().info(first_argument, n=1)
    (logged,) = own(events)

    assert (event, message) == (logged["event"], logged.get("message"))
