"""Records of Python's `logging`, logged as events."""

from __future__ import annotations

import json
import logging
import logging.config
import sys
import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import structlog
import torch

import logflume
from logflume.testing import capture_events
from tests.event_helpers import fields, only, own
from tests.raising_values import OddName

NAME = "some_library"


@pytest.fixture(autouse=True)
def _clean_loggers() -> Iterator[None]:
    showwarning = warnings.showwarning
    yield
    logflume.shutdown()
    assert showwarning is warnings.showwarning
    for name in [n for n in logging.root.manager.loggerDict if n.startswith(NAME)]:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.disabled = False
        logger.setLevel(logging.NOTSET)


@pytest.fixture
def library() -> logging.Logger:
    """A logger configured as `transformers` does it: with a handler, and no propagation."""
    logger = logging.getLogger(NAME)
    logger.addHandler(logging.StreamHandler(sys.stderr))
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    return logger


def stdlib_config(level: str = "WARNING", *names: str, **more: Any) -> dict[str, Any]:
    return {"stdlib": {"level": level, "loggers": list(names or [NAME]), **more}}


def stream_handlers(logger: logging.Logger) -> list[logging.Handler]:
    """Return the logger's stream handlers; pytest adds handlers of other types."""
    return [handler for handler in logger.handlers if type(handler) is logging.StreamHandler]


def test_a_record_is_a_message(library: logging.Logger) -> None:
    """A log record becomes a `message` with logger, level, text and source."""
    with capture_events(**stdlib_config()) as events:
        library.warning("Loading %s shards", 3)
        library.info("too low")

    event = only(events)
    assert ("message", NAME, "warning", "Loading 3 shards") == (
        event["event"],
        event["logger"],
        event["level"],
        event["message"],
    )
    assert __file__ in event["source"]


def test_one_word_is_a_message_too(library: logging.Logger) -> None:
    """A record's text never becomes an event type."""
    with capture_events(**stdlib_config()) as events:
        library.warning("reward")

    assert ("message", "reward") == (only(events)["event"], only(events)["message"])


def test_propagation(library: logging.Logger) -> None:
    """A record that propagates through several of our handlers is logged once."""
    child = logging.getLogger(f"{NAME}.trainer.state")
    with capture_events(**stdlib_config("WARNING", NAME, f"{NAME}.trainer")) as events:
        child.warning("a")
        logging.getLogger(f"{NAME}_other").warning("unrelated")

    assert (f"{NAME}.trainer.state", "a") == (only(events)["logger"], only(events)["message"])


@pytest.mark.parametrize(
    ("number", "level"),
    [(10, "debug"), (20, "info"), (25, "info"), (30, "warning"), (40, "error"), (60, "critical")],
)
def test_levels(number: int, level: str) -> None:
    """A logger without a level of its own gets the configured one, and is reset afterwards."""
    with capture_events(**stdlib_config("DEBUG")) as events:
        logging.getLogger(f"{NAME}.child").log(number, "a")

    assert level == only(events)["level"]
    assert logging.NOTSET == logging.getLogger(NAME).level


def test_existing_levels(library: logging.Logger) -> None:
    """A level set by the library or the user is kept."""
    library.setLevel(logging.ERROR)
    with capture_events(**stdlib_config("DEBUG")) as events:
        library.warning("a")
        library.error("b")

    assert "b" == only(events)["message"]
    assert logging.ERROR == library.level


def test_configured_logger_levels(library: logging.Logger) -> None:
    """Levels in `loggers` apply to the library's loggers too."""
    with capture_events(**stdlib_config(), loggers={NAME: {"level": "ERROR"}}) as events:
        library.warning("a")
        library.error("b")

    assert "b" == only(events)["message"]


def test_exceptions(library: logging.Logger) -> None:
    """`exc_info` becomes the same fields as in a log call."""
    with capture_events(**stdlib_config()) as events:
        try:
            raise ValueError("no such column")
        except ValueError:
            library.exception("Saving failed")
        library.error("none", exc_info=(None, None, None))
        library.error("here", stack_info=True)

    failed, none, here = own(events)
    assert ("error", "Saving failed") == (failed["level"], failed["message"])
    assert ("ValueError", "no such column") == (
        failed["exception/type"],
        failed["exception/message"],
    )
    assert failed["exception/traceback"].startswith("Traceback")
    assert "exception/type" not in none
    assert "test_exceptions" in here["stack"]


def test_extra_fields(library: logging.Logger) -> None:
    """The fields of `extra` are kept, with the values of the call, under names of their own."""
    values = [1.0]
    with capture_events(**stdlib_config()) as events:
        library.warning(
            "Saved", extra={"loss": np.float32(0.5), "values": values, "source": "mine"}
        )
        values.append(2.0)

    event = only(events)
    assert ("Saved", 0.5, [1.0]) == (event["message"], event["loss"], event["values"])
    assert __file__ in event["source"]
    assert "mine" in fields(event).values()


@pytest.mark.parametrize("make", [dict, SimpleNamespace])
def test_a_mapping_as_the_message(make: Any, library: logging.Logger) -> None:
    """The entries of a mapping, or of an object with fields, are fields of the message."""
    with capture_events(**stdlib_config()) as events:
        library.warning(make(loss=1, level="mine"))
        library.warning({0: 1.0})

    event, numbered = own(events)
    assert ("message", 1.0, '{"level":"mine"}') == (event["event"], event["loss"], event["extras"])
    assert "message" not in event
    assert 1.0 == numbered["0"]


def test_records_of_structlog(library: logging.Logger) -> None:
    """What structlog passes to its ProcessorFormatter, or as `extra`, is text and fields."""
    with capture_events(**stdlib_config()) as events:
        for last in (
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
            structlog.stdlib.render_to_log_kwargs,
        ):
            log = structlog.wrap_logger(library, [last], structlog.stdlib.BoundLogger)
            log.bind(a=1).warning("Saving", loss=0.5)
            try:
                raise ValueError("no such column")
            except ValueError:
                log.warning("Saving", exc_info=True)

    for saved, failed in (own(events)[:2], own(events)[2:]):
        assert ("Saving", NAME) == (saved["message"], saved["logger"])
        assert {"a": 1.0, "loss": 0.5} == {
            k: saved[k] for k in fields(saved).keys() & {"a", "loss"}
        }
        assert {"message", "source", "a", "loss"} == fields(saved).keys()
        assert ("Saving", "ValueError") == (failed["message"], failed["exception/type"])


def test_arguments_that_the_text_does_not_take(library: logging.Logger) -> None:
    """A mapping for a text without placeholders is kept; a tensor as the message is its value."""
    with capture_events(**stdlib_config()) as events:
        library.warning("Saved", {"loss": 0.5})
        library.warning("Saved with %(loss)s", {"loss": 0.5})
        library.warning(torch.tensor(0.25))

    saved, formatted, tensor = own(events)
    assert ("Saved", 0.5) == (saved["message"], saved["args/loss"])
    assert "Saved with 0.5" == formatted["message"]
    assert {"message", "source"} == fields(formatted).keys()
    assert "0.25" == tensor["message"]


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("text", "arguments"),
    [("%d", ("a",)), ("%s %s", (1,)), ("a", (1,)), ("%s", (Unprintable(),)), (Unprintable(), ())],
)
def test_mismatched_arguments(text: Any, arguments: tuple[Any, ...]) -> None:
    """A record that can't be formatted is logged with the reason, and raises no error."""
    logger = logging.getLogger(NAME)
    logger.propagate = False  # to pytest's own handler, which raises
    with capture_events(**stdlib_config()) as events:
        logger.error(text, *arguments)

    assert "its arguments don't match" in only(events)["message"]


@pytest.mark.parametrize("named", [True, False])
def test_a_library_that_calls_dict_config(named: bool, library: logging.Logger) -> None:
    """After `dictConfig` with `disable_existing_loggers`, records are still logged."""
    child = logging.getLogger(f"{NAME}.trainer")
    config: dict[str, Any] = {"version": 1, "disable_existing_loggers": True}
    if named:
        config["handlers"] = {"out": {"class": "logging.StreamHandler"}}
        config["loggers"] = {NAME: {"handlers": ["out"], "level": "INFO"}}
    original = logging.config.dictConfigClass
    with capture_events(**stdlib_config()) as events:
        logging.config.dictConfig(config)
        library.warning("a")
        child.warning("b")
        warnings.warn("c", FutureWarning, stacklevel=1)

    assert [(NAME, "a"), (f"{NAME}.trainer", "b")] == [
        (e["logger"], e["message"]) for e in own(events)[:2]
    ]
    assert 3 == len(own(events))
    assert original is logging.config.dictConfigClass


def test_handlers_with_a_console(
    library: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """While a console shows the events, the stream handler is removed; later it is restored."""
    library.handlers[0].setStream(sys.stderr)  # type: ignore[attr-defined]
    before = stream_handlers(library)
    console = {"root": {"sinks": ["console"]}, "sinks": {"console": {}}}
    with capture_events(**stdlib_config(), **console):
        library.warning("shown once")
        logflume.flush()
        during = stream_handlers(library)

    assert 1 == capsys.readouterr().err.count("shown once")
    assert [] == during
    assert before == stream_handlers(library)


def test_handlers_without_a_console(
    library: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a console, the library's handler continues to print."""
    library.handlers[0].setStream(sys.stderr)  # type: ignore[attr-defined]
    with capture_events(**stdlib_config()):
        library.warning("shown")

    assert "shown\n" == capsys.readouterr().err
    assert 1 == len(stream_handlers(library))
    assert not [h for h in library.handlers if "logflume" in type(h).__module__]


def test_initialize_twice(library: logging.Logger) -> None:
    """A second pipeline replaces the first; no record is logged in both or twice."""
    with capture_events(**stdlib_config()) as first:
        library.warning("a")
        with capture_events(**stdlib_config()) as second:
            library.warning("b")

    assert ["a"] == [e["message"] for e in own(first)]
    assert ["b"] == [e["message"] for e in own(second)]
    assert 1 == len(stream_handlers(library))
    assert not [h for h in library.handlers if "logflume" in type(h).__module__]


def test_transformers() -> None:
    """Records of the real `transformers` package are logged."""
    logger = pytest.importorskip("transformers.utils.logging")
    with capture_events(**stdlib_config("WARNING", "transformers")) as events:
        logger.get_logger("transformers.trainer").warning_once("Something to know")
        logger.get_logger().warning("And more")

    assert [("transformers.trainer", "Something to know"), ("transformers", "And more")] == [
        (e["logger"], e["message"]) for e in own(events)
    ]


def test_messages_that_cannot_be_read(library: logging.Logger) -> None:
    """A record whose message raises is an event, and raises nothing."""

    class Closed:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError("closed")

    library.handlers.clear()
    with capture_events(**stdlib_config()) as events:
        library.warning(Closed())
        library.warning(OddName("text"))
    closed, odd = (event["message"] for event in own(events))

    assert "Closed" in closed
    assert odd.startswith("text")


def test_names_that_are_taken(library: logging.Logger) -> None:
    """A field whose name is taken is kept, always under the same name."""
    with capture_events(**stdlib_config()) as events:
        library.warning("x", extra={"source": "mine"})
        library.warning("x", extra={"a": 1, "source": "mine", "_name": "n"})
        library.warning({"a": 1, "source": "theirs"}, extra={"a": 2})
        library.warning({"message": "text", "event": "other"})
    first, second, third, fourth = own(events)

    assert "mine" == first["extra/source"] == second["extra/source"]
    assert "n" == second["_name"]
    assert (1, 2, "theirs") == (third["a"], third["extra/a"], third["message/source"])
    assert ("text", {"event": "other"}) == (fourth["message"], json.loads(fourth["extras"]))
