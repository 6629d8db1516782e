"""`tag_step`: events get the step and mode of `set_step`."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import logflume
from logflume.processors.tag_step import tag_step
from logflume.protocols import Event
from logflume.testing import capture_events
from tests.event_helpers import own


def step_and_mode(event: Event) -> tuple[Any, Any]:
    """Return the step and mode of an event."""
    return event["step"], event.get("mode")


def test_events_have_the_current_step() -> None:
    """Each event has the step and mode at the time of the log call, not of its processing."""
    with capture_events("tag_step") as events:
        log = logflume.get_logger()
        log.info("before")
        for step in range(3):
            logflume.set_step(step, "train")
            log.info("probe")
        logflume.set_step(2, "eval")
        log.info("evaluated")
        logflume.set_step(None)
        log.info("after")

    expected = [(None, None), (0, "train"), (1, "train"), (2, "train"), (2, "eval"), (None, None)]
    assert expected == [step_and_mode(event) for event in own(events)]


@pytest.mark.parametrize(
    ("bound", "given", "expected"),
    [
        ({}, {}, (7, "train")),
        ({"step": 3}, {}, (3, "train")),
        ({}, {"step": 0}, (0, "train")),
        ({"step": 3}, {"step": 4}, (4, "train")),
        ({"mode": "eval"}, {"step": 4}, (4, "eval")),
        ({"step": None}, {"mode": None}, (7, "train")),
    ],
)
def test_explicit_steps_take_precedence(
    bound: dict[str, Any], given: dict[str, Any], expected: tuple[Any, Any]
) -> None:
    """A step that is bound to the logger or passed to the call is kept; None counts as missing."""
    with capture_events("tag_step") as events:
        logflume.set_step(7, "train")
        logflume.get_logger(**bound).info("probe", **given)

    assert [expected] == [step_and_mode(event) for event in own(events)]


def test_all_threads_are_tagged() -> None:
    """The step applies to all threads of the process."""
    with capture_events("tag_step") as events:
        logflume.set_step(5)
        thread = threading.Thread(target=lambda: logflume.get_logger().info("probe"))
        thread.start()
        thread.join()

    assert [5] == [event["step"] for event in own(events)]


@pytest.mark.parametrize(("step", "kept"), [("3", None), (0.5, None), (True, None), (2**70, None)])
def test_invalid_steps(step: Any, kept: Any) -> None:
    """A step that is not a valid integer is kept in `extras`, and the event has no step."""
    with capture_events("tag_step") as events:
        logflume.get_logger().info("probe", step=step)
    (event,) = own(events)

    assert kept == event["step"]
    assert "step" in event["extras"]


def test_invalid_mode() -> None:
    """A mode other than `train` and `eval` is kept in `extras`."""
    with capture_events("tag_step") as events:
        logflume.set_step(1, "train")
        logflume.get_logger().info("probe", mode="test")
    (event,) = own(events)

    assert (1, None, '{"mode":"test"}') == (*step_and_mode(event), event["extras"])


def test_outside_the_pipeline() -> None:
    """In a plain structlog chain, an event passes unchanged."""
    assert {"event": "probe", "x": 1} == tag_step(None, "info", {"event": "probe", "x": 1})
