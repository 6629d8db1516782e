"""Compatibility with structlog: `get_logger`, context variables, coroutines, pickling."""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import structlog

import logflume
from logflume.logger.logger import EventLogger
from logflume.testing import capture_events
from tests.event_helpers import fields, only, own


class TestAsync:
    def test_methods(self) -> None:
        """Async methods log the same as the others, and raise no error either."""

        async def main() -> None:
            log = logflume.get_logger().bind(a=1)
            await log.ainfo("x", self=1, event="mine")
            await log.ainfo("%d", "no number")
            await log.alog(30, "x")
            try:
                raise ValueError("no such column")
            except ValueError:
                await log.aexception("x")

        with capture_events() as events:
            asyncio.run(main())

        assert ["info", "info", "warning", "error"] == [e["level"] for e in own(events)]
        assert all(e["a"] == 1 for e in own(events))
        assert "no such column" == own(events)[-1]["exception/message"]

    def test_value_at_the_time_of_the_call(self) -> None:
        """A value is copied before another coroutine can change it."""

        async def log_values(values: list[int]) -> None:
            await logflume.get_logger().ainfo("x", values=values)

        async def clear_values(values: list[int]) -> None:
            values.clear()

        async def main() -> None:
            values = [1, 2]
            await asyncio.gather(log_values(values), clear_values(values))

        with capture_events() as events:
            asyncio.run(main())

        assert [1.0, 2.0] == only(events)["values"]


class TestStructlog:
    def test_get_logger(self) -> None:
        """After `initialize()`, structlog's own `get_logger` logs to the pipeline."""
        with capture_events() as events:
            structlog.get_logger().bind(a=1).info("x", b=1)
            structlog.get_logger("reward").info("y", b=2)
            structlog.get_logger(42).info("z", b=3)

        assert [("training", "x"), ("reward", "y"), ("42", "z")] == [
            (e["logger"], e["event"]) for e in own(events)
        ]

    def test_a_proxy_created_before_initialize(self) -> None:
        """A module-level `structlog.get_logger()` uses the current configuration."""
        log = structlog.get_logger("model", a=1)
        with capture_events() as events:
            log.info("x", b=2)

        assert ("model", {"a": 1, "b": 2}) == (only(events)["logger"], fields(only(events)))

    def test_context_variables(self) -> None:
        """Context variables are in every event; bound fields and arguments override them."""
        with capture_events() as events:
            with structlog.contextvars.bound_contextvars(a=1, b=1, c=1):
                logflume.get_logger().bind(b=2).info("x", c=3)
            logflume.get_logger().info("y", d=4)

        assert [{"a": 1.0, "b": 2.0, "c": 3.0}, {"d": 4.0}] == [fields(e) for e in own(events)]

    def test_context_variables_are_copied(self) -> None:
        """A list in a context variable is logged as it was at the time of the call."""
        values = [1]
        with capture_events() as events, structlog.contextvars.bound_contextvars(values=values):
            logflume.get_logger().info("x")
            values.append(2)

        assert [1.0] == only(events)["values"]

    def test_capture_logs(self) -> None:
        """structlog's `capture_logs` gets the calls instead of the pipeline."""
        log = logflume.get_logger()
        with capture_events() as events:
            with structlog.testing.capture_logs() as captured:
                log.info("x", a=[1])
            log.info("y", n=1)

        assert [{"event": "x", "log_level": "info", "a": [1]}] == captured
        assert "y" == only(events)["event"]

    def test_pickling(self) -> None:
        """Loggers and structlog's proxies can be pickled, with name and bound fields."""
        loggers = [logflume.get_logger("reward", a=1), structlog.get_logger("reward", a=1)]
        with capture_events() as events:
            for log in loggers:
                pickle.loads(pickle.dumps(log)).info("x", b=2)

        assert [("reward", {"a": 1.0, "b": 2.0})] * 2 == [
            (e["logger"], fields(e)) for e in own(events)
        ]

    def test_is_a_structlog_logger(self) -> None:
        """structlog's functions accept an `EventLogger`."""
        log = logflume.get_logger(a=1)

        assert isinstance(log, EventLogger)
        assert {"a": 1} == structlog.get_context(log)


class TestOtherLoggers:
    @pytest.mark.parametrize(
        ("make", "name"),
        [
            (structlog.PrintLogger, "training"),
            (lambda: None, "training"),
            (lambda: logging.getLogger("library"), "library"),
        ],
    )
    def test_wrap_logger(self, make: Callable[[], Any], name: str) -> None:
        """What structlog wraps logs events, whatever it wraps."""
        with capture_events() as events:
            structlog.wrap_logger(make()).bind(a=1).info("probe", b=2)

        assert (name, 1, 2) == tuple(only(events)[key] for key in ("logger", "a", "b"))

    def test_another_factory(self) -> None:
        """A program that configures another logger factory after `initialize` goes on."""
        with capture_events() as events:
            structlog.configure(logger_factory=structlog.PrintLoggerFactory())
            structlog.get_logger().info("probe", a=1)

        assert {"a": 1} == fields(only(events))

    @pytest.mark.parametrize(
        "wrapper",
        [structlog.make_filtering_bound_logger(20), structlog.stdlib.BoundLogger],
    )
    def test_another_wrapper_class(self, wrapper: Any) -> None:
        """A program that configures another wrapper class after `initialize` goes on logging."""
        with capture_events() as events:
            structlog.configure(wrapper_class=wrapper)
            log = structlog.get_logger("library").bind(a=1)
            log.info("probe", b=2)
            log.warning("two words")
            log.info("training", loss=0.5)
            try:
                raise ValueError("boom")
            except ValueError:
                log.exception("failed")
        probe, words, training, failed = own(events)

        assert ("library", 1, 2) == (probe["logger"], probe["a"], probe["b"])
        assert ("warning", "two words") == (words["level"], words["message"])
        assert ("training", 0.5) == (training["event"], training["loss"])
        assert ("error", "boom") == (failed["level"], failed["exception/message"])

    def test_a_renderer(self) -> None:
        """A renderer costs nothing of what the other processors add, and is named."""
        stamp = structlog.processors.TimeStamper(fmt="%Y", key="year")
        for renderer in (structlog.processors.JSONRenderer(), structlog.dev.ConsoleRenderer()):
            with capture_events() as events:
                structlog.configure(processors=[stamp, renderer])
                structlog.get_logger().info("probe", a=1)
            name = type(renderer).__name__

            assert {"a", "year", "problem"} == set(fields(only(events)))
            assert f"{name} must return a dict, not str" == only(events)["problem"]
