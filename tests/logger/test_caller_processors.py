"""structlog's processors: in the thread that logs, in the chain, and in plain structlog."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.processors import (
    CallsiteParameter,
    CallsiteParameterAdder,
    EventRenamer,
    ExceptionPrettyPrinter,
    ExceptionRenderer,
    MaybeTimeStamper,
    StackInfoRenderer,
    TimeStamper,
    UnicodeDecoder,
    UnicodeEncoder,
    add_log_level,
    dict_tracebacks,
    format_exc_info,
)
from structlog.stdlib import (
    PositionalArgumentsFormatter,
    add_log_level_number,
    add_logger_name,
    filter_by_level,
)
from structlog.testing import LogCapture

import logflume
from logflume.processors.watch_training import WatchTraining
from logflume.protocols import Event
from logflume.testing import MemorySink, capture_events
from tests.event_helpers import fields, only, own

SECTIONS = ("processors", "caller_processors")


def log_with(section: str, processor: Any, call: Callable[[Any], object]) -> list[Event]:
    """Return the events of a call with one processor in one of the sections."""
    with capture_events(**{section: [processor]}) as events:
        call(logflume.get_logger("training"))
    return own(events)


def fail(log: Any) -> None:
    try:
        raise ValueError("boom")
    except ValueError:
        log.exception("failed", a=1)


def in_a_function(log: Any) -> None:
    log.info("probe", n=1)


async def in_a_coroutine(log: Any) -> None:
    await log.ainfo("probe")


class InAClass:
    """A class whose method logs."""

    def method(self, log: Any) -> None:
        """Log through structlog's own logger."""
        structlog.get_logger("training").info("probe")


def through_logging(_log: Any) -> None:
    logging.getLogger("transformers").error("probe")


def through_a_helper(_log: Any) -> None:
    logflume.log_training_progress(1, {"loss": 0.5})


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize(
    ("call", "name"),
    [
        (in_a_function, "in_a_function"),
        (lambda log: asyncio.run(in_a_coroutine(log)), "in_a_coroutine"),
        (lambda log: InAClass().method(log), "method"),
        (through_logging, "through_logging"),
        (through_a_helper, "through_a_helper"),
        (fail, "fail"),
    ],
)
def test_call_sites(section: str, call: Callable[[Any], object], name: str) -> None:
    """The call site is the function of the user, however the event was logged."""
    parameters = {CallsiteParameter.FUNC_NAME, CallsiteParameter.PATHNAME, CallsiteParameter.LINENO}
    config = {
        section: [CallsiteParameterAdder(parameters)],
        "stdlib": {"loggers": ["transformers"], "warnings": False},
    }
    with capture_events(**config) as events:
        call(logflume.get_logger())
    event = only(events)

    assert (name, __file__) == (event["func_name"], event["pathname"])
    line = Path(__file__).read_text().splitlines()[int(event["lineno"]) - 1]
    assert "log" in line


def test_call_sites_from_yaml(tmp_path: Path) -> None:
    """Processors and their options can be named in a file, with `worker: process`, too."""
    path = tmp_path / "my.yaml"
    path.write_text("""
worker: process
root: {sinks: [jsonl]}
sinks: {jsonl: {path: "{dir}/{run}/events.jsonl"}}
caller_processors:
  - structlog.processors:CallsiteParameterAdder: {parameters: [func_name, module]}
  - structlog.stdlib:add_log_level_number
processors: [tag_step, "structlog.processors:format_exc_info"]
""")
    run = logflume.initialize(path, dir=tmp_path)
    fail(logflume.get_logger())
    assert logflume.shutdown()
    (event,) = [e for e in logflume.open_run(run.folder) if e["event"] == "failed"]
    limits = [e for e in logflume.open_run(run.folder) if e.get("status") == "limited"]

    assert ("fail", "test_caller_processors", 40) == (
        event["func_name"],
        event["module"],
        event["level_number"],
    )
    assert event["exception"].endswith("ValueError: boom")
    assert [] == limits


@pytest.mark.parametrize("section", SECTIONS)
def test_time_stamps(section: str) -> None:
    """A time stamp is taken at the call, not when the worker gets to the event."""
    sink = MemorySink()
    logflume.initialize(
        {
            "root": {"sinks": ["memory"]},
            "sinks": {"memory": sink},
            section: [TimeStamper(fmt=None, key="called_s"), TimeStamper(fmt="iso", key="text")],
            "buffer": {"flush_interval_s": 0.3},
        }
    )
    before_s = time.time()
    logflume.get_logger().info("probe")
    after_s = time.time()
    logflume.shutdown()
    event = only(sink.events)

    assert before_s <= event["called_s"] <= after_s
    assert before_s <= datetime.fromisoformat(event["text"]).timestamp() <= after_s


REDUNDANT = [
    TimeStamper(fmt="iso"),
    TimeStamper(fmt="iso", utc=False),
    TimeStamper(),
    MaybeTimeStamper("%H:%M"),
    add_log_level,
    add_logger_name,
    filter_by_level,
    PositionalArgumentsFormatter(),
    StackInfoRenderer(),
    format_exc_info,
    dict_tracebacks,
    UnicodeDecoder(),
    UnicodeEncoder(),
    EventRenamer("message"),
    structlog.contextvars.merge_contextvars,
    structlog.dev.set_exc_info,
]


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("processor", REDUNDANT)
def test_what_every_event_has(section: str, processor: Any) -> None:
    """Processors that add what events have anyway, or find nothing to do, change nothing."""
    before_s = time.time()
    with structlog.contextvars.bound_contextvars(context="c"):
        (event,) = log_with(
            section, processor, lambda log: log.warning("Step %d of %d", 1, 2, text=b"raw")
        )

    assert {"context": "c", "text": "raw", "message": "Step 1 of 2"} == fields(event)
    assert ("warning", "training") == (event["level"], event["logger"])
    assert before_s - 1e-3 <= datetime.fromisoformat(event["timestamp"]).timestamp() <= time.time()
    assert "extras" not in event


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize(
    ("processor", "found"),
    [
        (format_exc_info, lambda text: text.endswith("ValueError: boom")),
        (ExceptionRenderer(), lambda text: text.endswith("ValueError: boom")),
        (dict_tracebacks, lambda text: json.loads(text)[0]["exc_value"] == "boom"),
    ],
)
def test_exceptions(section: str, processor: Any, found: Callable[[str], bool]) -> None:
    """structlog's renderers of exceptions get the exception, and their text is in the event."""
    (event,) = log_with(section, processor, fail)

    assert found(event["exception"])
    assert "exception/type" not in event


@pytest.mark.parametrize("section", SECTIONS)
def test_printed_exceptions(section: str) -> None:
    """`ExceptionPrettyPrinter` prints the traceback."""
    file = io.StringIO()
    log_with(section, ExceptionPrettyPrinter(file), fail)

    assert "ValueError: boom" in file.getvalue()


@pytest.mark.parametrize("section", SECTIONS)
def test_stacks(section: str) -> None:
    """The stack of `StackInfoRenderer` ends at the call."""
    (event,) = log_with(
        section, StackInfoRenderer(), lambda log: log.info("probe", stack_info=True)
    )

    assert event["stack"].startswith("Stack (most recent call last):")
    assert "stack_info=True" in event["stack"].splitlines()[-1]


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize(
    ("processor", "expected"),
    [
        (EventRenamer("msg"), {"msg": "probe"}),
        (EventRenamer("msg", "_event"), {"msg": "probe"}),
        (add_log_level_number, {"level_number": 20.0}),
    ],
)
def test_added_fields(section: str, processor: Any, expected: dict[str, Any]) -> None:
    """What a processor adds is a field; an event that it renames keeps its type."""
    (event,) = log_with(section, processor, in_a_function)

    assert ("probe", {**expected, "n": 1.0}) == (event["event"], fields(event))


def test_filter_by_level() -> None:
    """`filter_by_level` drops what the level of the logger excludes."""

    def raise_level(logger: Any, _method_name: str, event_dict: Any) -> Any:
        assert isinstance(logger.name, str)
        return event_dict

    with capture_events(
        caller_processors=[raise_level, filter_by_level],
        root={"level": "WARNING", "sinks": ["memory"]},
    ) as events:
        logflume.get_logger().info("probe")
        logflume.get_logger().error("probe")

    assert ["error"] == [event["level"] for event in own(events)]


def drop(*_: Any) -> Any:
    raise structlog.DropEvent


def break_it(_logger: Any, _method_name: str, event_dict: Any) -> Any:
    event_dict.clear()
    raise KeyError("no such key")


def render(_logger: Any, _method_name: str, event_dict: Any) -> str:
    return str(event_dict)


def test_dropped_events() -> None:
    """A processor of the caller may drop an event."""
    assert [] == log_with("caller_processors", drop, in_a_function)


@pytest.mark.parametrize("processor", [break_it, render])
def test_failures(processor: Any) -> None:
    """A processor that fails changes nothing, is reported once, and the next ones run."""
    with capture_events(caller_processors=[processor, add_log_level_number]) as events:
        for _ in range(3):
            logflume.get_logger().info("probe", a=1)

    assert [{"a": 1.0, "level_number": 20.0}] * 3 == [fields(event) for event in own(events)]
    faults = [e for e in events if e.get("status") == "failed"]
    assert [processor.__name__] == [event["component"] for event in faults]


def test_values_are_copied_afterwards() -> None:
    """A value that a processor adds is recorded as it was at the call."""
    values = [1]

    def add(_logger: Any, _method_name: str, event_dict: Any) -> Any:
        return {**event_dict, "values": values}

    with capture_events(caller_processors=[add]) as events:
        logflume.get_logger().info("probe")
        values.append(2)

    assert [1.0] == only(events)["values"]


def test_they_end_with_the_run() -> None:
    """After the run, and in a run without them, no processor is called."""
    calls: list[str] = []

    def note(_logger: Any, _method_name: str, event_dict: Any) -> Any:
        calls.append(event_dict["event"])
        return event_dict

    with capture_events(caller_processors=[note]):
        logflume.get_logger().info("first")
        with structlog.testing.capture_logs():
            logflume.get_logger().info("captured")
        logflume.get_logger().info("second")
    logflume.get_logger().info("third")
    with capture_events():
        logflume.get_logger().info("fourth")

    assert ["first", "second"] == [name for name in calls if name in ("first", "second", "third")]
    assert {"captured", "fourth"}.isdisjoint(calls)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("tag_stepp", "no component is registered as 'tag_stepp'"),
        ("aggregate_metrics", "this processor keeps events until later"),
        (5, "expected a name, or one name with its options"),
        ({"structlog.processors:CallsiteParameterAdder": {"parameters": ["x"]}}, "'x'"),
        ({"structlog.processors:TimeStamper": {"fmtt": "iso"}}, "unknown option"),
    ],
)
def test_invalid_entries(entry: Any, problem: str, tmp_path: Path) -> None:
    """An invalid entry is an error that says where it is."""
    with pytest.raises(logflume.ConfigError) as raised:
        logflume.initialize({"caller_processors": [entry]}, dir=tmp_path)

    assert "caller_processors[0]" in str(raised.value)
    assert problem in str(raised.value)


def test_alerts_in_plain_structlog() -> None:
    """In a chain of plain structlog, an alert of `watch_training` is an event of that chain."""
    captured = LogCapture()
    structlog.configure(processors=[WatchTraining(), captured], cache_logger_on_first_use=False)
    structlog.get_logger().info("training", loss=float("nan"))

    assert ["alert", "training"] == [entry["event"] for entry in captured.entries]
