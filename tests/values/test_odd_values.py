"""Values that are too large, cyclic or not finite, or set by third-party processors."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import structlog

import logflume
from logflume.protocols import Event
from logflume.testing import capture_events
from logflume.values.plain import MAX_TEXT
from logflume.values.snapshot import MAX_ITEMS
from tests.event_helpers import fields, only

LONG = "é" * 10_000_000


def log(event: str = "probe", /, **values: Any) -> Event:
    """Log the values as one event and return it."""
    with capture_events() as events:
        logflume.get_logger().info(event, **values)
    return only(events)


def process(processor: Any, event: str = "probe", /, **values: Any) -> Event:
    """Return the event after a third-party processor."""
    with capture_events(processor) as events:
        logflume.get_logger().info(event, **values)
    return next(event for event in events if event["logger"] != "system")


def test_a_long_text_is_truncated() -> None:
    """The first million characters are kept; `extras` has the original length."""
    event = log(x=LONG)

    assert LONG[:MAX_TEXT] == event["x"]
    assert {"x": {"cut_to": MAX_TEXT, "length": len(LONG)}} == json.loads(event["extras"])


def test_a_long_message_is_truncated() -> None:
    """The text of a message has the same limit as any field."""
    event = log(LONG)

    assert LONG[:MAX_TEXT] == event["message"]
    assert {"message": {"cut_to": MAX_TEXT, "length": len(LONG)}} == json.loads(event["extras"])


def test_a_long_text_in_extras_is_truncated() -> None:
    """A misfit is truncated in the same way."""
    event = log("training", loss=LONG)

    assert {
        "loss": {"text": LONG[:MAX_TEXT], "cut_to": MAX_TEXT, "length": len(LONG)}
    } == json.loads(event["extras"])


def test_non_finite_numbers_are_named() -> None:
    """`nonfinite` names the numbers that JSON can't represent, those of lists by index."""
    event = log(nan=math.nan, x=[1, -math.inf, math.nan, None], fine=1.5, texts=["NaN"])

    assert {"nan": "NaN", "x.1": "-Infinity", "x.2": "NaN"} == event["nonfinite"]
    assert math.isnan(event["nan"])
    assert [1.0, -math.inf] == event["x"][:2]


def test_a_non_finite_number_in_extras_is_text() -> None:
    """In `extras`, which is JSON, a NaN is replaced by its name."""
    assert {"seq": {"a": ["NaN", "Infinity"]}} == json.loads(
        log(seq={"a": [math.nan, math.inf]})["extras"]
    )


def test_cycles_are_marked() -> None:
    """A mapping or list that contains itself ends with a mark."""
    mapping: dict[str, Any] = {"a": 1}
    mapping["self"] = mapping
    items: list[Any] = [1]
    items.append(items)

    assert {"m/a": 1.0, "m/self": "<cycle>", "x": '[1,"<cycle>"]'} == fields(
        log(m=mapping, x=items)
    )


def test_lists_that_share_parts_are_bounded() -> None:
    """Sixteen lists that contain each other ten times expand to 10^16 items; the copy is small."""
    value: list[Any] = ["x"]
    for _ in range(15):
        value = [value] * 10
    event = log(x=value)

    assert event["x"].count('"x"') <= MAX_ITEMS
    assert "more>" in event["x"]


def test_deep_nesting_is_marked() -> None:
    """Containers nested beyond the limit are replaced by a mark."""
    value: Any = 1
    for _ in range(500):
        value = {"a": value}

    assert ["<nested deeper than 16>"] == list(fields(log(x=value)).values())


def test_names_are_valid_text() -> None:
    """A lone surrogate in the name of a logger or field is replaced by its escape."""
    with capture_events() as events:
        logflume.get_logger("\udc80").info("probe", **{"\udc80": 1})
    event = only(events)

    assert ["\\udc80", 1.0] == [event["logger"], event["\\udc80"]]


def test_context_variables_are_converted() -> None:
    """Values of structlog's context variables are converted too."""
    with (
        capture_events() as events,
        structlog.contextvars.bound_contextvars(loss=np.float32(0.5), a=np.array([1])),
    ):
        logflume.get_logger().info("probe", a=2)

    assert {"loss": 0.5, "a": 2.0} == fields(only(events))


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


CYCLE: list[Any] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.array([1.5]), [1.5]),
        ((1, 2), [1.0, 2.0]),
        ([np.int64(1)], [1.0]),
        (CYCLE, ["<cycle>"]),
        (Unprintable(), "<Unprintable that could not be read: RuntimeError: no text>"),
        ("\udc80", "\\udc80"),
    ],
)
def test_a_processor_may_set_any_value(value: Any, expected: Any) -> None:
    """Values set by a processor are converted like those of the call."""
    assert expected == process(lambda _log, _name, event: {**event, "x": value})["x"]


def test_a_processor_may_use_any_keys() -> None:
    """Keys that aren't strings are converted at every depth, and no value is lost."""
    event = process(lambda _log, _name, event: {**event, 1: 1, "1": 2, "m": {(2,): 3, "\udc80": 4}})

    assert {1.0, 2.0} == {value for name, value in event.items() if name.startswith("1")}
    assert [3.0, 4.0] == [event["m/(2,)"], event["m/\\udc80"]]


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("timestamp", 1.7e9, 1.7e9),
        ("timestamp", "06:00", "06:00"),
        ("level", "loud", "loud"),
        ("level", ["info"], ["info"]),
    ],
)
def test_a_processor_may_set_an_invalid_header(name: str, value: Any, kept: Any) -> None:
    """An invalid header field is replaced, and its value kept in `extras`."""
    event = process(lambda _log, _name, event: {**event, name: value})

    assert {name: kept} == json.loads(event["extras"])
    assert "info" == event["level"]
    assert 27 == len(event["timestamp"])


@pytest.mark.parametrize("name", ["timestamp", "level", "logger", "event"])
def test_a_processor_may_remove_the_header(name: str) -> None:
    """Header fields removed by a processor are restored."""
    event = process(lambda _log, _name, event: {k: v for k, v in event.items() if k != name})

    assert {"timestamp", "level", "logger", "event"} <= event.keys()
    assert all(isinstance(event[part], str) for part in ("timestamp", "level", "logger", "event"))


def test_a_processor_may_turn_the_type_into_text() -> None:
    """An event type that isn't an identifier becomes the text of a message."""
    event = process(lambda _log, _name, event: {**event, "event": "two words"}, n=1)

    assert ["message", "two words"] == [event["event"], event["message"]]
