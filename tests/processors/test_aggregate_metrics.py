"""`aggregate_metrics`: means over a window of steps instead of the metrics of every step."""

from __future__ import annotations

import math
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

import logflume
from logflume.config.model import MetricsConfig
from logflume.processors.aggregate_metrics import AggregateMetrics
from logflume.protocols import Event
from logflume.testing import capture_events
from tests.event_helpers import fields, own


def aggregate(
    steps: list[Any], every: int = 5, event: str = "training", **values: Any
) -> list[Event]:
    """Log `x=step` at each step, and return the resulting events."""
    with capture_events("tag_step", {"aggregate_metrics": {"every_steps": every}}) as events:
        for step in steps:
            logflume.get_logger().info(event, step=step, x=step, **values)
    return own(events)


def test_means_over_a_window() -> None:
    """Ten steps give two events, with the means, the last step and the length of the window."""
    first, second = aggregate(list(range(1, 11)))

    assert (5, {"x": 3.0, "window_steps": 5.0}) == (first["step"], fields(first))
    assert (10, {"x": 8.0, "window_steps": 5.0}) == (second["step"], fields(second))


def test_incomplete_window_is_logged_at_the_end() -> None:
    """An incomplete window is logged when the run ends, before `run_finished`."""
    with capture_events({"aggregate_metrics": {"every_steps": 5}}) as events:
        for step in (1, 2):
            logflume.get_logger().info("training", step=step, x=step)

    assert ["run_started", "training", "run_finished", "pipeline"] == [e["event"] for e in events]
    assert (2, 1.5, 2.0) == (events[1]["step"], events[1]["x"], events[1]["window_steps"])


@pytest.mark.parametrize(
    ("steps", "every", "ends"),
    [
        ([2, 4, 6, 8, 10, 12], 4, [4, 8, 12]),
        ([10, 20, 30], 5, [10, 20, 30]),
        ([1, 3, 5, 7, 9, 11, 13], 10, [11, 13]),
        ([7, 14, 21], 5, [14, 21]),
        ([8, 9, 1, 2], 5, [1, 2]),
        ([None] * 7, 3, [None, None, None]),
        ([0, 0, 0], 3, [0]),
        ([1, 2, 3], 1, [1, 2, 3]),
    ],
)
def test_where_windows_end(steps: list[Any], every: int, ends: list[Any]) -> None:
    """A window ends at or after a multiple of its length; without steps, after as many events."""
    assert ends == [event["step"] for event in aggregate(steps, every)]


def test_other_types_pass_unchanged() -> None:
    """Only metrics are aggregated, not rewards, completions or messages."""
    assert [1, 2, 3] == [event["step"] for event in aggregate([1, 2, 3], event="reward")]


def test_selected_types() -> None:
    """`events` selects the event types that are aggregated."""
    with capture_events({"aggregate_metrics": {"every_steps": 2, "events": ["mine"]}}) as events:
        for step in (1, 2):
            logflume.get_logger().info("mine", step=step, x=step)
            logflume.get_logger().info("training", step=step)

    assert ["training", "mine", "training"] == [event["event"] for event in own(events)]


def test_frequency_from_the_configuration() -> None:
    """Without `every_steps`, the window is `metrics.logging_frequency` steps."""
    with capture_events("aggregate_metrics", metrics={"logging_frequency": 2}) as events:
        for step in range(1, 5):
            logflume.get_logger().info("training", step=step)

    assert [2, 4] == [event["step"] for event in own(events)]


def test_windows_are_separate() -> None:
    """Each mode and each logger has a window of its own."""
    with capture_events({"aggregate_metrics": {"every_steps": 2}}) as events:
        for step in (1, 2):
            logflume.get_logger("a").info("training", step=step, mode="train", x=step)
            logflume.get_logger("a").info("training", step=step, mode="eval", x=-step)
            logflume.get_logger("b").info("training", step=step, mode="train", x=10 * step)

    assert [("a", "train", 1.5), ("a", "eval", -1.5), ("b", "train", 15.0)] == [
        (event["logger"], event["mode"], event["x"]) for event in own(events)
    ]


def test_fields_without_a_mean() -> None:
    """Text, bools and lists keep their last value; a mean is over the events with the field."""
    with capture_events({"aggregate_metrics": {"every_steps": 4}}) as events:
        log = logflume.get_logger()
        log.info("training", step=1, name="a", flag=True, values=[1], rare=3)
        log.info("training", step=2, name="b", flag=False, values=[2], x=None)
        log.info("training", step=3, x=1.0, m={"k": 1})
        log.info("training", step=4, x=2.0, huge=10**400)
    (event,) = own(events)

    assert {"name": "b", "flag": False, "values": [2.0], "rare": 3.0, "x": 1.5, "m/k": 1.0} == {
        name: event[name] for name in ("name", "flag", "values", "rare", "x", "m/k")
    }
    assert "huge" in event["extras"]


def test_declared_integers_stay_integers() -> None:
    """The mean of a field that is declared as an integer is rounded, so that it fits its column."""
    name = "gpu/0/memory_used_bytes"
    with capture_events({"aggregate_metrics": {"every_steps": 2}}) as events:
        for step in (1, 2, 3):
            logflume.get_logger().info("training", **{"step": step, name: 3 * step, "loss": step})
    first, last = own(events)

    assert (4, 1.5) == (first[name], first["loss"])
    assert (9, 3.0) == (last[name], last["loss"])
    assert "extras" not in first


def test_nan_is_preserved() -> None:
    """A single NaN makes the mean NaN, so it remains visible."""
    with capture_events({"aggregate_metrics": {"every_steps": 2}}) as events:
        for step, loss in ((1, math.nan), (2, 0.5)):
            logflume.get_logger().info("training", step=step, loss=loss)
    (event,) = own(events)

    assert {"loss": "NaN"} == event["nonfinite"]


def test_aggregated_events_pass_unchanged() -> None:
    """Metrics that a callback has already aggregated are not aggregated again."""
    assert [1, 2] == [e["step"] for e in aggregate([1, 2], window_steps=10)]


@settings(deadline=None)
@given(
    steps=st.lists(st.none() | st.integers(-3, 40), max_size=30),
    every=st.integers(1, 7),
    values=st.lists(st.floats(-1e6, 1e6) | st.none() | st.booleans(), min_size=1, max_size=3),
)
def test_every_event_is_in_one_window(steps: list[Any], every: int, values: list[Any]) -> None:
    """No event is lost or counted twice, and no window has more steps than its length."""
    process = AggregateMetrics(metrics=MetricsConfig(logging_frequency=every))
    results: list[dict[str, Any]] = []
    for number, step in enumerate(steps):
        event = {"event": "training", "step": step, "n": 1, "x": values[number % len(values)]}
        try:
            results.append(dict(process(None, "info", event)))
        except structlog.DropEvent:
            continue
    results += [dict(event) for event in process.close()]

    assert [] == list(process.close())
    if every > 1:
        assert len(set(steps)) <= sum(event["window_steps"] for event in results) <= len(steps)
    assert {1} >= {event["n"] for event in results}
