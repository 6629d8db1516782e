"""The processor chain: our processors, structlog's, and faults."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import pytest
import structlog

import logflume
from logflume.testing import capture_events
from tests.event_helpers import fields, only, own


def failing(_logger: Any, _method: str, event_dict: dict[str, Any]) -> dict[str, Any]:
    event_dict.clear()
    raise KeyError("a")


def exiting(_logger: Any, _method: str, _event_dict: dict[str, Any]) -> dict[str, Any]:
    raise SystemExit(1)


def returning_none(_logger: Any, _method: str, event_dict: dict[str, Any]) -> None:
    event_dict["seen"] = True


def returning_text(_logger: Any, _method: str, _event_dict: dict[str, Any]) -> str:
    return "text"


def adding(_logger: Any, _method: str, event_dict: dict[str, Any]) -> dict[str, Any]:
    event_dict["added"] = 1
    return event_dict


def dropping(_logger: Any, _method: str, event_dict: dict[str, Any]) -> dict[str, Any]:
    if event_dict["event"] == "unwanted":
        raise structlog.DropEvent
    return event_dict


class Window:
    """Holds back every `held` event until it is closed."""

    def __init__(self) -> None:
        self._held: list[dict[str, Any]] = []

    def __call__(self, _logger: Any, _method: str, event_dict: dict[str, Any]) -> dict[str, Any]:
        if event_dict["event"] == "held":
            self._held.append(event_dict)
            raise structlog.DropEvent
        return event_dict

    def close(self) -> Iterable[dict[str, Any]]:
        yield from self._held


class BrokenWindow(Window):
    def close(self) -> Iterable[dict[str, Any]]:
        yield {"event": "first"}
        raise OSError("no")


class ClosingProcessor(Window):
    def close(self) -> Any:
        """Return None, as `close` methods usually do."""


@pytest.mark.parametrize(
    ("processor", "reason"),
    [
        (failing, "KeyError: 'a'"),
        (exiting, "SystemExit: 1"),
        (returning_none, "TypeError: it must return a dict, not NoneType"),
        (returning_text, "TypeError: it must return a dict, not str"),
    ],
)
def test_a_broken_processor(processor: Any, reason: str) -> None:
    """Events continue without the processor; the fault is reported once and counted per call."""
    with capture_events(processor, adding) as events:
        for _ in range(20):
            logflume.get_logger().info("x", a=1)

    assert [{"a": 1.0, "added": 1.0}] * 20 == [fields(e) for e in own(events)]
    reasons = [e["reason"] for e in events if e.get("status") == "failed"]
    assert [reason] == [one.partition(" (test_processor_chain.py:")[0] for one in reasons]
    report = logflume.report()
    assert report is not None
    # run_started, 20 events, the fault and run_finished; the last event follows the count.
    assert report.processors[processor.__name__] >= 23
    assert report.processors[processor.__name__] == len(events)


def test_drop_event() -> None:
    """An event dropped by a processor leaves no gap in `seq` and doesn't count as dropped."""
    with capture_events(dropping) as events:
        for name in ("a", "unwanted", "b", "unwanted"):
            logflume.get_logger().info(name, n=1)

    assert ["a", "b"] == [e["event"] for e in own(events)]
    assert list(range(len(events))) == [e["seq"] for e in events]
    report = logflume.report()
    assert report is not None
    assert (len(events), 0) == (report.accepted, report.dropped)


def test_order() -> None:
    """Processors run in the configured order, on the worker's thread."""
    seen = []

    def first(_logger: Any, _method: str, event_dict: dict[str, Any]) -> dict[str, Any]:
        seen.append(("first", threading.get_ident()))
        return event_dict

    def second(_logger: Any, _method: str, event_dict: dict[str, Any]) -> dict[str, Any]:
        seen.append(("second", threading.get_ident()))
        return event_dict

    with capture_events(first, second):
        logflume.get_logger().info("x", n=1)

    assert ["first", "second"] == [name for name, _ in seen[:2]]
    assert threading.get_ident() not in {thread for _, thread in seen}


class SelectiveProcessor:
    """Handles only `wanted` events, by its attribute `event_types`."""

    event_types = ("wanted",)

    def __call__(self, _logger: Any, _method: str, event_dict: dict[str, Any]) -> dict[str, Any]:
        return {**event_dict, "seen": True}


def renaming(_logger: Any, _method: str, event_dict: dict[str, Any]) -> dict[str, Any]:
    name = event_dict["event"]
    return {**event_dict, "event": {"new": "wanted", "odd": ["wanted"]}.get(name, name)}


def test_event_types() -> None:
    """The processor is called only for its event types, as left by earlier processors."""
    with capture_events(SelectiveProcessor()) as events:
        for name in ("wanted", "other", "two words"):
            logflume.get_logger().info(name, n=1)
    with capture_events(renaming, SelectiveProcessor()) as renamed:
        for name in ("new", "odd", "wanted"):
            logflume.get_logger().info(name, n=1)

    assert [True, None, None] == [event.get("seen") for event in own(events)]
    # If the type is not a string, the processor is called.
    assert [True, True, True] == [event.get("seen") for event in own(renamed)]


@pytest.mark.parametrize("event_types", [None, "wanted", 7])
def test_invalid_event_types(event_types: Any) -> None:
    """With an `event_types` that isn't a set, list or tuple, it is called for every event."""
    processor = SelectiveProcessor()
    processor.event_types = event_types
    with capture_events(processor) as events:
        logflume.get_logger().info("other", n=1)

    assert True is only(events)["seen"]


def test_held_back_events() -> None:
    """On close, held-back events run through the rest of the chain and are delivered."""
    with capture_events(Window(), adding) as events:
        logflume.get_logger().info("held", a=1)
        logflume.get_logger().info("x", n=1)

    assert [("x", {"n": 1.0, "added": 1.0}), ("held", {"a": 1.0, "added": 1.0})] == [
        (e["event"], fields(e)) for e in own(events)
    ]


@pytest.mark.parametrize(
    ("processor", "failed"), [(BrokenWindow(), {"BrokenWindow": 1}), (ClosingProcessor(), {})]
)
def test_close(processor: Any, failed: dict[str, int]) -> None:
    """If `close` raises midway or returns None, the sinks are still closed."""
    with capture_events(processor, adding) as events:
        logflume.get_logger().info("x", n=1)

    assert ["x"] == [e["event"] for e in own(events)]
    assert "report" == events[-1]["status"]
    report = logflume.report()
    assert report is not None
    assert failed == report.processors


@pytest.mark.parametrize(
    "processor",
    [
        structlog.stdlib.add_log_level,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.TimeStamper(fmt=None),
        structlog.processors.TimeStamper(fmt="iso", key="at"),
        structlog.processors.MaybeTimeStamper(fmt="iso"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        structlog.processors.dict_tracebacks,
        structlog.processors.UnicodeDecoder(),
        structlog.processors.CallsiteParameterAdder(),
        structlog.contextvars.merge_contextvars,
        structlog.processors.ExceptionPrettyPrinter(),
    ],
    ids=lambda processor: getattr(processor, "__name__", type(processor).__name__),
)
def test_processors_of_structlog(processor: Any) -> None:
    """structlog's processors work in the chain and don't change the reserved names."""
    with capture_events(processor) as events:
        logflume.get_logger().warning("x", b=b"text")

    event = only(events)
    assert ("training", "warning", "text") == (event["logger"], event["level"], event["b"])
    assert event["timestamp"].endswith("Z")
    assert [] == [e for e in events if e.get("status") == "failed"]


def test_results_are_sanitized() -> None:
    """Names and values that are not plain are converted after the chain."""

    def odd(_logger: Any, _method: str, event_dict: dict[str, Any]) -> dict[Any, Any]:
        return {**event_dict, 1: 2, "object": object(), "level": 7, "timestamp": None, "seq": -1}

    with capture_events(odd) as events:
        logflume.get_logger().info("x", n=1)

    event = only(events)
    assert 2.0 == event["1"]
    assert event["object"].startswith("<object")
    assert list(range(len(events))) == [e["seq"] for e in events]
    assert event["timestamp"].endswith("Z")
