"""The logger: binding, levels, formatting and the first argument."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.contextvars import bound_contextvars

import logflume
from logflume.logger.channels import CHANNELS
from logflume.logger.logger import EventLogger
from logflume.testing import capture_events
from tests.event_helpers import fields, only, own


class TestBinding:
    def test_bound_fields_are_in_every_event(self) -> None:
        """Bound fields are in every event; a field of the call overrides them."""
        with capture_events() as events:
            log = logflume.get_logger().bind(phase="warmup", lr=0.1)
            log.info("a", n=1)
            log.info("b", lr=0.2)

        assert [{"phase": "warmup", "lr": 0.1, "n": 1}, {"phase": "warmup", "lr": 0.2}] == [
            fields(e) for e in own(events)
        ]

    def test_unbind(self) -> None:
        """`unbind` removes a field and doesn't change the original logger."""
        with capture_events() as events:
            log = logflume.get_logger().bind(a=1, b=2)
            log.unbind("a").info("x", c=3)
            log.info("x", c=3)

        assert [{"b": 2, "c": 3}, {"a": 1, "b": 2, "c": 3}] == [fields(e) for e in own(events)]

    def test_try_unbind(self) -> None:
        """`try_unbind` ignores names that are not bound; `unbind` raises an error."""
        log = logflume.get_logger().bind(a=1)

        with pytest.raises(KeyError):
            log.unbind("b")
        with capture_events() as events:
            log.try_unbind("a", "b").info("x", c=3)

        assert {"c": 3} == fields(only(events))

    def test_new(self) -> None:
        """`new` clears the context but keeps the logger's name."""
        with capture_events() as events:
            logflume.get_logger("reward").bind(a=1).new(b=2).info("x", c=3)

        assert ("reward", {"b": 2, "c": 3}) == (only(events)["logger"], fields(only(events)))

    def test_a_subclass_stays_what_it_is(self) -> None:
        """bind, unbind, try_unbind and new return a logger of the same class."""

        class StepLogger(EventLogger):
            def step(self, number: int) -> None:
                self.info("step", number=number)

        with capture_events() as events:
            log = StepLogger(CHANNELS.channel("training"), CHANNELS.caller_processors, {})
            log.bind(a=1).step(1)
            log.bind(a=1).unbind("a").step(2)
            log.bind(a=1).try_unbind("a", "b").step(3)
            log.new(a=1).step(4)

        assert [{"a": 1, "number": 1}, {"number": 2}, {"number": 3}, {"a": 1, "number": 4}] == [
            fields(e) for e in own(events)
        ]

    @pytest.mark.parametrize("name", ["inf", "wornin"])
    def test_a_misspelled_method(self, name: str) -> None:
        """A method that doesn't exist raises an error, whichever way the logger was made."""
        log = logflume.get_logger()

        for each in (log, log.bind(a=1), log.new(), log.bind(a=1).unbind("a")):
            with pytest.raises(AttributeError, match=name):
                getattr(each, name)

    def test_context_of_get_logger(self) -> None:
        """Keyword arguments of `get_logger` are bound; `step` becomes the event's step."""
        with capture_events() as events:
            logflume.get_logger("model", step=7, run_name="r").info("x", n=1)

        assert (7, {"run_name": "r", "n": 1}) == (only(events)["step"], fields(only(events)))


class TestLevels:
    CONFIG: dict[str, Any] = {
        "loggers": {"training": {"level": "ERROR"}, "training.loop": {"level": "DEBUG"}}
    }

    def test_by_logger_name(self) -> None:
        """A logger has the level of its name, its nearest parent, or the root."""
        with capture_events(**self.CONFIG) as events:
            for name in ("training", "training.data", "training.loop.inner", "other"):
                logflume.get_logger(name).debug("x", n=1)
                logflume.get_logger(name).error("y", n=1)

        assert [
            ("training", "y"),
            ("training.data", "y"),
            ("training.loop.inner", "x"),
            ("training.loop.inner", "y"),
            ("other", "x"),
            ("other", "y"),
        ] == [(e["logger"], e["event"]) for e in own(events)]

    def test_is_enabled_for(self) -> None:
        """`is_enabled_for` returns whether a level is logged."""
        with capture_events(**self.CONFIG):
            log = logflume.get_logger("training")

            assert [False, True] == [log.is_enabled_for(30), log.is_enabled_for(40)]
            assert 40 == log.get_effective_level()

    def test_follow_the_current_configuration(self) -> None:
        """A logger created and bound before `initialize()` has the newly configured level."""
        log = logflume.get_logger("training").bind(a=1)
        logged = []
        for level in ("ERROR", "DEBUG", "WARNING"):
            with capture_events(loggers={"training": {"level": level}}) as events:
                log.debug("x", n=1)
                log.warning("y", n=1)
            logged.append([e["event"] for e in own(events)])

        assert [[], ["x", "y"], ["y"]] == logged

    @pytest.mark.parametrize(
        ("number", "name"),
        [
            (10, "debug"),
            (25, "info"),
            (30, "warning"),
            (49, "error"),
            (99, "critical"),
        ],
    )
    def test_numeric(self, number: int, name: str) -> None:
        """`log()` accepts any number; one between two levels counts as the lower."""
        with capture_events() as events:
            log = logflume.get_logger()
            log.log(number, "x", level="mine")

        assert name == only(events)["level"]

    def test_aliases(self) -> None:
        """structlog's aliases of the methods exist."""
        with capture_events() as events:
            log = logflume.get_logger()
            for method in (log.msg, log.warn, log.fatal):
                method("x")

        assert ["info", "warning", "critical"] == [e["level"] for e in own(events)]


class TestFormatting:
    def test_positional(self) -> None:
        """Positional arguments are interpolated, by position or from one mapping."""
        with capture_events() as events:
            log = logflume.get_logger()
            log.info("loss %.2f at %s", 0.5, "start")
            log.info("%(a)s of %(b)s", {"a": 1, "b": 2})

        assert ["loss 0.50 at start", "1 of 2"] == [e["message"] for e in own(events)]

    @pytest.mark.parametrize("args", [("x",), (1, 2), ({},), ({"b": 1},)])
    def test_mismatched_arguments(self, args: tuple[Any, ...]) -> None:
        """Mismatched arguments raise no error: the text is unchanged and `problem` is set."""
        with capture_events() as events:
            logflume.get_logger().info("%(a)d of", *args)

        event = only(events)
        assert "%(a)d of" == event["message"]
        assert {"args", "problem"} <= fields(event).keys()

    def test_text_is_a_message(self) -> None:
        """Text that isn't an identifier is a message, so that it creates no new event type."""
        with capture_events() as events:
            for text in ("kl.spike", "Learning rate may be too high", "", "1st", "a.b."):
                logflume.get_logger().info(text, n=1)

        assert [
            ("kl.spike", None),
            ("message", "Learning rate may be too high"),
            ("message", ""),
            ("message", "1st"),
            ("message", "a.b."),
        ] == [(e["event"], e.get("message")) for e in own(events)]

    def test_a_word_without_fields_is_a_message(self) -> None:
        """A call without fields creates no event type; bound fields and exceptions don't count."""
        with capture_events() as events, bound_contextvars(c=3):
            log = logflume.get_logger().bind(b=2)
            log.info("done")
            log.exception("failed")
            log.info("%s", "formatted")
            log.bind(a=[1]).info("copied")
            log.info("checkpoint")

        assert [
            *(("message", text) for text in ("done", "failed", "formatted", "copied")),
            ("checkpoint", None),
        ] == [(e["event"], e.get("message")) for e in own(events)]
        assert all((2, 3) == (e["b"], e["c"]) for e in own(events))

    def test_a_bound_message_is_kept(self) -> None:
        """A word without fields takes no bound field's place."""
        with capture_events() as events:
            logflume.get_logger().bind(message="bound").info("done")

        assert ("done", "bound") == (only(events)["event"], only(events)["message"])

    def test_any_first_argument(self) -> None:
        """A call without text, or with another object as first argument, is a message."""
        with capture_events() as events:
            log = logflume.get_logger()
            log.info()
            log.info(None, a=1)
            log.info([0.5, 1])

        assert [("message", ""), ("message", ""), ("message", "[0.5, 1]")] == [
            (e["event"], e["message"]) for e in own(events)
        ]

    def test_reserved_names(self) -> None:
        """A field may have any name; values for reserved names are kept in `extras`."""
        names = ("self", "event", "level", "method_name", "args", "seq", "run", "timestamp", "rank")
        values = dict.fromkeys(names, "mine")
        with capture_events() as events:
            for method in ("info", "error", "exception", "msg"):
                getattr(logflume.get_logger(), method)("x", **values)
            logflume.get_logger().log(20, "x", **values)

        reserved = {"event", "level", "seq", "run", "timestamp", "rank"}
        for event in own(events):
            assert "x" == event["event"]
            assert {n: "mine" for n in names if n not in reserved} == {
                n: v for n, v in fields(event).items() if n != "extras"
            }
            assert all(f'"{name}":"mine"' in event["extras"] for name in reserved)
