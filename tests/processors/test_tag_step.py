"""`tag_step`: events get the step and mode of `set_step`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog
import torch
from structlog.testing import LogCapture

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
        log.info("before", n=1)
        for step in range(3):
            logflume.set_step(step, "train")
            log.info("probe", n=1)
        logflume.set_step(2, "eval")
        log.info("evaluated", n=1)
        logflume.set_step(None)
        log.info("after", n=1)

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
        thread = threading.Thread(target=lambda: logflume.get_logger().info("probe", n=1))
        thread.start()
        thread.join()

    assert [5] == [event["step"] for event in own(events)]


class Number(int):
    """An integer of a class of its own."""


@pytest.mark.parametrize(
    "step", ["3", " +3 ", 3.0, Number(3), np.int64(3), np.array(3), torch.tensor(3), [3]]
)
def test_steps_in_other_forms(step: Any) -> None:
    """What is an integer in another form is understood, from `set_step` and in a call."""
    with capture_events("tag_step") as events:
        logflume.set_step(step)
        logflume.get_logger().info("probe", n=1)
        logflume.set_step(None)
        logflume.get_logger().info("probe", step=step)

    assert [3, 3] == [event["step"] for event in own(events)]


@pytest.mark.parametrize("mode", ["validation", "VAL", "test", "evaluation"])
def test_modes_by_other_names(mode: str) -> None:
    """The usual names of an evaluation are the mode `eval`."""
    with capture_events("tag_step") as events:
        logflume.set_step(1, mode)
        logflume.get_logger().info("probe", n=1)

    assert ["eval"] == [event["mode"] for event in own(events)]


@pytest.mark.parametrize("make", [lambda: np.zeros((), dtype=int), lambda: torch.tensor(0)])
def test_a_step_that_is_updated_in_place(make: Callable[[], Any]) -> None:
    """The step of an event is its value at the call of `set_step`."""
    with capture_events("tag_step") as events:
        step = make()
        for _ in range(3):
            step += 1
            logflume.set_step(step)
            logflume.get_logger().info("probe", n=1)

    assert [1, 2, 3] == [event["step"] for event in own(events)]


@pytest.mark.parametrize("step", ["three", 0.5, True, 2**70, object()])
def test_invalid_steps(step: Any) -> None:
    """A step that is no integer is kept in `extras`; one event reports the first of them."""
    with capture_events("tag_step") as events:
        logflume.set_step(step)
        for _ in range(3):
            logflume.get_logger().info("probe", n=1)
    logflume.set_step(None)

    assert [None] * 3 == [event["step"] for event in own(events)]
    assert all("step" in event["extras"] for event in own(events))
    assert ["step"] == [e["component"] for e in events if e.get("status") == "limited"]


def test_invalid_mode() -> None:
    """A mode other than `train` and `eval` is kept in `extras`."""
    with capture_events("tag_step") as events:
        logflume.set_step(1, "train")
        logflume.get_logger().info("probe", mode="warmup")
    (event,) = own(events)

    assert (1, None, '{"mode":"warmup"}') == (*step_and_mode(event), event["extras"])


def test_outside_the_pipeline() -> None:
    """In a chain of plain structlog, events get step and mode, too, and keep their own."""
    captured = LogCapture()
    structlog.configure(processors=[tag_step, captured], cache_logger_on_first_use=False)
    log = structlog.get_logger()
    log.info("probe")
    logflume.set_step("3", "validation")
    log.info("probe", x=1)
    log.bind(step=4).info("probe", mode="train")

    steps = [(e.get("step"), e.get("mode")) for e in captured.entries]
    assert [(None, None), (3, "eval"), (4, "train")] == steps


def test_in_the_caller() -> None:
    """As a processor of the caller it tags events, too."""
    with capture_events(caller_processors=["tag_step"]) as events:
        logflume.set_step(torch.tensor(3), "train")
        logflume.get_logger().info("probe")

    assert [(3, "train")] == [step_and_mode(event) for event in own(events)]


def test_a_step_ends_with_its_run(tmp_path: Path) -> None:
    """The last step of a run is not the step of the next one's first events."""
    for run in ("a", "b"):
        logflume.initialize(dir=tmp_path, run=run)
        logflume.get_logger().info("training", loss=1.0)
        logflume.set_step(1000, "train")
        logflume.get_logger().info("training", loss=0.5)
        logflume.shutdown()
    events = list(logflume.open_run(tmp_path / "b"))
    assert [None, 1000] == [e["step"] for e in events if e["event"] == "training"]
    assert [None] == [e["step"] for e in events if e["event"] == "run_started"]
