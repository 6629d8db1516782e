"""What processors say of themselves: which events they are for, and that they only read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import wraps
from typing import Any

import pytest

import logflume
from logflume.processors.redact_secrets import RedactSecrets
from logflume.processors.tag_step import tag_step
from logflume.processors.watch_training import WatchTraining
from logflume.protocols import Event
from logflume.testing import capture_events
from tests.own_events import fields, own


class Reader:
    """Says that it only reads, and of which events."""

    reads_only = True

    def __init__(self, error: Exception | None = None) -> None:
        self.seen: list[float | None] = []
        self.asked: list[tuple[str, dict[str, type]]] = []
        self._error = error

    def concerns(self, event_type: str, kinds: Mapping[str, type]) -> bool:
        self.asked.append((event_type, dict(kinds)))
        if self._error:
            raise self._error
        return "loss" in kinds

    def __call__(self, _logger: Any, _method: str, event: Event) -> dict[str, Any]:
        self.seen.append(event.get("loss"))
        if self._error:
            raise self._error
        return {"event": "another"}


def test_a_processor_that_only_reads() -> None:
    """It is asked once for events that are alike; once it has said no, it may be left out."""
    reader = Reader()
    with capture_events(reader) as events:
        log = logflume.get_logger()
        for step in range(5):
            log.info("training", loss=step / 2)
            log.info("other", note="a")
        log.info("training", loss=None)

    assert [("training", float), ("other", None), ("training", type(None))] == [
        (event_type, kinds.get("loss"))
        for event_type, kinds in reader.asked
        if event_type in ("training", "other")
    ]
    losses = [loss for loss in reader.seen if loss is not None]
    assert [0.0, 0.5, 1.0, 1.5, 2.0] == losses
    # What it returns isn't looked at, from the first event on.
    assert {"training": 6, "other": 5} == {
        name: sum(event["event"] == name for event in own(events)) for name in ("training", "other")
    }


def test_a_reader_that_raises() -> None:
    """Its events go on, each call is counted, and where `concerns` raises it is called."""
    with capture_events(Reader(KeyError("no"))) as events:
        for _ in range(10):
            logflume.get_logger().info("training", loss=0.5)

    assert [{"loss": 0.5}] * 10 == [fields(event) for event in own(events)]
    assert 1 == sum(event.get("status") == "failed" for event in events)
    report = logflume.report()
    assert report is not None
    assert report.processors["Reader"] >= 10


def marked(event_dict: dict[str, Any]) -> dict[str, Any]:
    return {**event_dict, "high": True} if event_dict.get("loss", 0) > 1 else event_dict


class Marking(RedactSecrets):
    """Does more than its base, which says of itself that most events don't concern it."""

    def __call__(self, logger: Any, method: str, event_dict: Any) -> Any:
        return super().__call__(logger, method, marked(event_dict))


@wraps(tag_step)
def marking(logger: Any, method: str, event_dict: Any) -> Any:
    """Do more than the function whose attributes `wraps` copies."""
    return tag_step(logger, method, marked(event_dict))


class Tagging(WatchTraining):
    """Changes events, where its base only reads them."""

    def __call__(self, _logger: Any, _method: str, event_dict: Any) -> Any:
        return marked(event_dict)


@pytest.mark.parametrize("processor", [Marking(), marking, Tagging()])
def test_what_is_said_of_another_call(processor: Any) -> None:
    """What a base or a wrapped function says of its own call isn't taken for that of another."""
    with capture_events(processor) as events:
        for loss in (0.5, 0.5, 2.0):
            logflume.get_logger().info("training", loss=loss, step=1, mode="train")

    assert [None, None, True] == [event.get("high") for event in own(events)]
