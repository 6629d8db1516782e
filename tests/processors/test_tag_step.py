"""`tag_step` gives events the step and mode of `set_step`."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import logflume
from logflume.processors.tag_step import tag_step
from logflume.protocols import Event
from logflume.testing import capture_events
from tests.own_events import own


def where(event: Event) -> tuple[Any, Any]:
    return event["step"], event.get("mode")


def test_events_have_the_step_that_is_set() -> None:
    """Each event has the step and mode at the time of its call, whenever it is written."""
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
    assert expected == [where(event) for event in own(events)]


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
def test_a_step_of_ones_own_wins(
    bound: dict[str, Any], given: dict[str, Any], expected: tuple[Any, Any]
) -> None:
    """A step bound to the logger or given to the call is kept; None stands for none given."""
    with capture_events("tag_step") as events:
        logflume.set_step(7, "train")
        logflume.get_logger(**bound).info("probe", **given)

    assert [expected] == [where(event) for event in own(events)]


def test_all_threads_are_tagged() -> None:
    """The step holds for every thread of the process."""
    with capture_events("tag_step") as events:
        logflume.set_step(5)
        thread = threading.Thread(target=lambda: logflume.get_logger().info("probe"))
        thread.start()
        thread.join()

    assert [5] == [event["step"] for event in own(events)]


@pytest.mark.parametrize(("step", "kept"), [("3", None), (0.5, None), (True, None), (2**70, None)])
def test_a_step_that_is_none(step: Any, kept: Any) -> None:
    """A step that is no integer is kept in `extras`, and the event has no step."""
    with capture_events("tag_step") as events:
        logflume.get_logger().info("probe", step=step)
    (event,) = own(events)

    assert kept == event["step"]
    assert "step" in event["extras"]


def test_a_mode_that_is_none() -> None:
    """A mode other than `train` and `eval` is kept in `extras`."""
    with capture_events("tag_step") as events:
        logflume.set_step(1, "train")
        logflume.get_logger().info("probe", mode="test")
    (event,) = own(events)

    assert (1, None, '{"mode":"test"}') == (*where(event), event["extras"])


def test_in_plain_structlog() -> None:
    """Outside of the pipeline an event passes as it is."""
    assert {"event": "probe", "x": 1} == tag_step(None, "info", {"event": "probe", "x": 1})
