"""Exceptions and stacks in log calls."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import logflume
from logflume.protocols import Event
from logflume.testing import capture_events
from tests.event_helpers import fields, only


class TestExceptions:
    def raise_and_return(self) -> ValueError:
        try:
            raise ValueError("no such column")
        except ValueError as error:
            return error

    def check(self, event: Event) -> None:
        assert "ValueError" == event["exception/type"]
        assert "no such column" == event["exception/message"]
        assert event["exception/traceback"].startswith("Traceback (most recent call last):")
        assert event["exception/traceback"].endswith("ValueError: no such column\n")
        assert event["exception/frames"][-1].endswith(" raise_and_return")

    def test_exception(self) -> None:
        """`exception()` logs the current exception at error level."""
        with capture_events() as events:
            try:
                raise self.raise_and_return()
            except ValueError:
                logflume.get_logger().exception("Saving failed")

        self.check(only(events))
        assert ("error", "Saving failed") == (only(events)["level"], only(events)["message"])

    @pytest.mark.parametrize("form", ["true", "one", "instance", "triple"])
    def test_forms_of_exc_info(self, form: str) -> None:
        """`exc_info` may be any true value, an exception, or the triple of `sys.exc_info()`."""
        with capture_events() as events:
            try:
                raise self.raise_and_return()
            except ValueError as error:
                forms = {"true": True, "one": 1, "instance": error, "triple": sys.exc_info()}
                logflume.get_logger().info("x", exc_info=forms[form])

        self.check(only(events))

    @pytest.mark.parametrize("nothing", [True, False, None, (None, None, None)])
    def test_no_exception(self, nothing: Any) -> None:
        """Without an exception, the event has no exception fields."""
        with capture_events() as events:
            logflume.get_logger().info("x", exc_info=nothing, n=1)

        assert {"n": 1} == fields(only(events))

    def test_an_unprintable_exception(self) -> None:
        """An exception whose `__str__` raises is logged with its type."""

        class MuteError(Exception):
            def __str__(self) -> str:
                raise RuntimeError

        with capture_events() as events:
            logflume.get_logger().error("x", exc_info=MuteError())

        assert "MuteError (its text can't be read)" == only(events)["exception/message"]
        assert only(events)["exception/type"].endswith("MuteError")

    @pytest.mark.parametrize("method", ["info", "exception", "log"])
    def test_stack_info(self, method: str) -> None:
        """`stack_info` logs the stack, which ends with the line of the call."""
        with capture_events() as events:
            log = logflume.get_logger()
            arguments = (20, "x") if method == "log" else ("x",)
            getattr(log, method)(*arguments, stack_info=True)

        assert "getattr(log, method)" in only(events)["stack"].splitlines()[-1]
