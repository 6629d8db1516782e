"""Python's own logging and warnings, in the same pipeline."""

from __future__ import annotations

import logging
import logging.config
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import logflume
from logflume.testing import capture_events
from tests.event_helpers import only, own

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
    """A logger set up as `transformers` sets up its own: a handler, and no way further up."""
    logger = logging.getLogger(NAME)
    logger.addHandler(logging.StreamHandler(sys.stderr))
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    return logger


def stdlib(level: str = "WARNING", *names: str, **more: Any) -> dict[str, Any]:
    return {"stdlib": {"level": level, "loggers": list(names or [NAME]), **more}}


def printing(logger: logging.Logger) -> list[logging.Handler]:
    """Return its handlers that print; pytest adds some of its own."""
    return [handler for handler in logger.handlers if type(handler) is logging.StreamHandler]


def test_a_record_is_a_message(library: logging.Logger) -> None:
    """A record of a library becomes a `message` with its logger, level, text and place."""
    with capture_events(**stdlib()) as events:
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
    """The text of a library never names a type of event."""
    with capture_events(**stdlib()) as events:
        library.warning("reward")

    assert ("message", "reward") == (only(events)["event"], only(events)["message"])


def test_once_however_many_loggers_it_passes(library: logging.Logger) -> None:
    """A record of a child passes several of our handlers and is one event."""
    child = logging.getLogger(f"{NAME}.trainer.state")
    with capture_events(**stdlib("WARNING", NAME, f"{NAME}.trainer")) as events:
        child.warning("a")
        logging.getLogger(f"{NAME}_other").warning("not ours")

    assert (f"{NAME}.trainer.state", "a") == (only(events)["logger"], only(events)["message"])


@pytest.mark.parametrize(
    ("number", "level"),
    [(10, "debug"), (20, "info"), (25, "info"), (30, "warning"), (40, "error"), (60, "critical")],
)
def test_levels(number: int, level: str) -> None:
    """The level of the configuration is the one that counts for a logger without its own."""
    with capture_events(**stdlib("DEBUG")) as events:
        logging.getLogger(f"{NAME}.child").log(number, "a")

    assert level == only(events)["level"]
    assert logging.NOTSET == logging.getLogger(NAME).level


def test_a_level_that_somebody_has_set(library: logging.Logger) -> None:
    """A level that the library, or the user, has set is respected."""
    library.setLevel(logging.ERROR)
    with capture_events(**stdlib("DEBUG")) as events:
        library.warning("a")
        library.error("b")

    assert "b" == only(events)["message"]
    assert logging.ERROR == library.level


def test_levels_of_our_own_configuration(library: logging.Logger) -> None:
    """The library's name is a logger's name in the configuration, too."""
    with capture_events(**stdlib(), loggers={NAME: {"level": "ERROR"}}) as events:
        library.warning("a")
        library.error("b")

    assert "b" == only(events)["message"]


def test_exceptions(library: logging.Logger) -> None:
    """`exc_info` becomes the same fields as in our own log calls."""
    with capture_events(**stdlib()) as events:
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


class Mute:
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("text", "arguments"),
    [("%d", ("a",)), ("%s %s", (1,)), ("a", (1,)), ("%s", (Mute(),)), (Mute(), ())],
)
def test_arguments_that_do_not_fit(text: Any, arguments: tuple[Any, ...]) -> None:
    """A record that can't be formatted is an event that says so, and raises nothing."""
    logger = logging.getLogger(NAME)
    logger.propagate = False  # to pytest's own handler, which raises
    with capture_events(**stdlib()) as events:
        logger.error(text, *arguments)

    assert "its arguments don't fit" in only(events)["message"]


@pytest.mark.parametrize("named", [True, False])
def test_a_library_that_calls_dict_config(named: bool, library: logging.Logger) -> None:
    """After `dictConfig` with `disable_existing_loggers` everything flows on, children included."""
    child = logging.getLogger(f"{NAME}.trainer")
    config: dict[str, Any] = {"version": 1, "disable_existing_loggers": True}
    if named:
        config["handlers"] = {"out": {"class": "logging.StreamHandler"}}
        config["loggers"] = {NAME: {"handlers": ["out"], "level": "INFO"}}
    original = logging.config.dictConfigClass
    with capture_events(**stdlib()) as events:
        logging.config.dictConfig(config)
        library.warning("a")
        child.warning("b")
        warnings.warn("c", FutureWarning, stacklevel=1)

    assert [(NAME, "a"), (f"{NAME}.trainer", "b")] == [
        (e["logger"], e["message"]) for e in own(events)[:2]
    ]
    assert 3 == len(own(events))
    assert original is logging.config.dictConfigClass


def test_handlers_are_put_back(library: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """While a console shows the events, the library's own is put aside; afterwards it is back."""
    library.handlers[0].setStream(sys.stderr)  # type: ignore[attr-defined]
    before = printing(library)
    console = {"root": {"sinks": ["console"]}, "sinks": {"console": {}}}
    with capture_events(**stdlib(), **console):
        library.warning("shown once")
        logflume.flush()
        during = printing(library)

    assert 1 == capsys.readouterr().err.count("shown once")
    assert [] == during
    assert before == printing(library)


def test_handlers_without_a_console(
    library: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no console shows the events, the library goes on printing as before."""
    library.handlers[0].setStream(sys.stderr)  # type: ignore[attr-defined]
    with capture_events(**stdlib()):
        library.warning("shown")

    assert "shown\n" == capsys.readouterr().err
    assert 1 == len(printing(library))
    assert not [h for h in library.handlers if "logflume" in type(h).__module__]


def test_initialize_twice(library: logging.Logger) -> None:
    """A second pipeline takes over; no record is in both, and none twice."""
    with capture_events(**stdlib()) as first:
        library.warning("a")
        with capture_events(**stdlib()) as second:
            library.warning("b")

    assert ["a"] == [e["message"] for e in own(first)]
    assert ["b"] == [e["message"] for e in own(second)]
    assert 1 == len(printing(library))
    assert not [h for h in library.handlers if "logflume" in type(h).__module__]


def test_transformers_itself() -> None:
    """The logger of the real `transformers`, and of one of its modules."""
    logger = pytest.importorskip("transformers.utils.logging")
    with capture_events(**stdlib("WARNING", "transformers")) as events:
        logger.get_logger("transformers.trainer").warning_once("Something to know")
        logger.get_logger().warning("And more")

    assert [("transformers.trainer", "Something to know"), ("transformers", "And more")] == [
        (e["logger"], e["message"]) for e in own(events)
    ]
