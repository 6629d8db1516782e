"""The arguments of a log call: fields without a type, odd levels, and keywords of any name."""

from __future__ import annotations

import asyncio
import enum
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import logflume
from logflume.protocols import Event
from logflume.testing import capture_events
from tests.event_helpers import JOURNAL, fields, only, own, read
from tests.raising_values import Angry


@dataclass
class Metrics:
    loss: float


def log(*args: Any, logger: str = "training", **given_fields: Any) -> Event:
    """Make one call and return its event."""
    with capture_events("tag_step", "flatten_rewards") as events:
        logflume.get_logger(logger).info(*args, **given_fields)
    return only(events)


@pytest.mark.parametrize(
    "values", [{"loss": 0.5}, SimpleNamespace(loss=0.5), Metrics(0.5), {"loss": torch.tensor(0.5)}]
)
@pytest.mark.parametrize(
    ("logger", "event_type"),
    [
        ("training", "training"),
        ("model", "model_output"),
        ("model.eval", "model_output"),
        ("system", "system"),
        ("metrics", "training"),
        ("my.module", "training"),
    ],
)
def test_a_mapping(logger: str, event_type: str, values: Any) -> None:
    """A mapping holds the fields of an event of the logger's own type; keywords win."""
    event = log(values, logger=logger, step=3)

    assert (event_type, 0.5, 3) == (event["event"], event["loss"], event["step"])
    assert 0.25 == log(values, loss=0.25)["loss"]


def test_a_mapping_of_rewards() -> None:
    """A mapping logged by the reward logger holds the values of reward functions, however many."""
    event = log({"correctness": [1.0, 0.0], "many": np.ones(5_000)}, logger="reward")

    assert ("reward", 0.5) == (event["event"], event["rewards/correctness/mean"])
    assert 5_000 == len(event["rewards/many"])


def test_a_mapping_with_odd_keys() -> None:
    """Keys become names, an event type in the mapping is the event's, reserved names are kept."""
    event = log({0: 1.0, None: 2.0, "event": "evaluation", "level": "mine"})

    assert ("evaluation", "info", 1.0, 2.0) == (
        event["event"],
        event["level"],
        event["0"],
        event["None"],
    )
    assert '{"level":"mine"}' == event["extras"]
    assert "training" == log({})["event"]


@pytest.mark.parametrize(
    ("name", "value", "plain"),
    [
        ("loss", 0.5, 0.5),
        ("loss", torch.tensor(0.5), 0.5),
        ("val/loss", np.float32(0.5), 0.5),
        ("done", True, True),
        ("phase", "warmup", "warmup"),
        ("norms", [1, 2], [1.0, 2.0]),
        ("verlust_größe", 1, 1.0),
    ],
)
def test_a_name_and_a_value(name: str, value: Any, plain: Any) -> None:
    """A name and one value are a field of the logger's own type."""
    event = log(name, value, step=3)

    assert ("training", 3, plain) == (event["event"], event["step"], event[name])
    assert {name} == fields(event).keys()


def test_a_type_and_a_mapping() -> None:
    """A declared type and one mapping are an event of this type; a name and one, its entries."""
    assert ("evaluation", 0.5) == (lambda e: (e["event"], e["loss"]))(
        log("evaluation", {"loss": 0.5})
    )
    assert {"val/loss": 0.5} == fields(log("val", {"loss": 0.5}))


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("loss", (0.5, 1)),
        ("The loss:", (0.5,)),
        ("The metrics", ({"loss": 0.5},)),
        ("failed", (ValueError("no"),)),
        ("", (1,)),
        ("50%", (1,)),
        ("%d and %d", (1,)),
        ("%s", (1, 2)),
        ({"loss": 0.5}, (1,)),
    ],
)
def test_arguments_without_a_meaning(text: Any, args: tuple[Any, ...]) -> None:
    """Arguments that nothing can be made of are kept in `args`, with the reason."""
    event = log(text, *args)

    assert {"args", "problem"} <= event.keys()
    assert text in (event.get("message"), {"loss": event.get("loss")})


def test_the_event_by_keyword() -> None:
    """`event=` is the first argument where there is none, also in `log`, async and bound."""
    with capture_events() as events:
        logger = logflume.get_logger()
        logger.info(event="training", loss=1)
        logger.log(20, event="training", loss=1)
        logger.log(level="info", event="training", loss=1)
        logger.error(event="training", loss=1)
        logger.bind(event="training").info(loss=1)
        asyncio.run(logger.ainfo(event="training", loss=1))
        logger.info(event={"loss": 1})
        logger.info(event="done")

    *training, message = own(events)
    assert [("training", 1.0)] * 7 == [(e["event"], e["loss"]) for e in training]
    assert ("message", "done") == (message["event"], message["message"])


class Level(enum.IntEnum):
    HIGH = 40


@pytest.mark.parametrize(
    ("level", "name"),
    [
        ("info", "info"),
        ("INFO", "info"),
        (" Warn ", "warning"),
        ("fatal", "critical"),
        ("exception", "error"),
        ("25", "info"),
        (20.0, "info"),
        (np.int64(30), "warning"),
        (Level.HIGH, "error"),
        (float("inf"), "critical"),
        ("SUCCESS", "info"),
    ],
)
def test_levels(level: Any, name: str) -> None:
    """`log` takes a level by number or name, also one that was added to Python's logging."""
    logging.addLevelName(25, "SUCCESS")
    with capture_events() as events:
        logflume.get_logger().log(level, "x", n=1)

    assert (name, {"n": 1}) == (only(events)["level"], fields(only(events)))


@pytest.mark.parametrize(
    "level", [None, "", "loud", float("nan"), [20], object(), Angry(ValueError("no"))]
)
def test_what_is_no_level(level: Any) -> None:
    """Anything else is logged as info, with the reason."""
    with capture_events() as events:
        logflume.get_logger().log(level, "done")
        asyncio.run(logflume.get_logger().alog(level, "done"))

    for event in own(events):
        assert ("message", "info", "done") == (event["event"], event["level"], event["message"])
        assert "is not a level; it is logged as info" in event["problem"]
    assert logflume.get_logger().is_enabled_for(level)


def test_log_without_arguments() -> None:
    """`log` without any argument is a message that says so."""
    with capture_events() as events:
        logflume.get_logger().log()

    assert ("message", "") == (only(events)["event"], only(events)["message"])


def test_names_of_parameters_are_fields() -> None:
    """Fields may have the names of parameters, in every method and in `bind` and `new`."""
    given_fields: dict[str, Any] = {
        "self": 1,
        "args": 2,
        "fields": 3,
        "logger": 4,
        "method_name": 5,
    }
    kept = {name: float(value) for name, value in given_fields.items() if name != "logger"}
    with capture_events() as events:
        logger = logflume.get_logger()
        logger.bind(**given_fields).info("x", n=1)
        logger.new(**given_fields).info("x", n=1)
        logger.log(20, "x", n=1, **given_fields)
        asyncio.run(logger.ainfo("x", n=1, **given_fields))

    for event in own(events):
        assert {**kept, "n": 1.0, "extras": '{"logger":4}'} == fields(event)


@pytest.mark.parametrize("name", [["list"], {"a": 1}, None, 42, Angry(ValueError("no"))])
def test_loggers_of_any_name(name: Any) -> None:
    """The name of a logger may be any value."""
    with capture_events() as events:
        logflume.get_logger(name).info("x", n=1)

    assert 1.0 == only(events)["n"]


texts = st.sampled_from(["training", "loss", "val/loss", "text %s", "%d", "", "100 %", "done"])
things = st.none() | texts | st.integers() | st.floats() | st.binary() | st.builds(object)
things |= st.dictionaries(texts | st.integers(), st.floats(), max_size=2)
things |= st.builds(Angry, st.just(ValueError("no")))
names = st.sampled_from(["event", "level", "self", "args", "logger", "exc_info", "loss", "message"])


@settings(max_examples=60, deadline=None)
@given(
    calls=st.lists(
        st.tuples(st.lists(things, max_size=3), st.dictionaries(names, things, max_size=3)),
        min_size=1,
        max_size=8,
    )
)
def test_any_arguments(calls: list[tuple[list[Any], dict[str, Any]]]) -> None:
    """Whatever the arguments of a call are, it raises no error and is one event."""
    with capture_events() as events:
        logger = logflume.get_logger()
        for args, keywords in calls:
            logger.error(*args, **keywords)
            logger.bind(**keywords).exception(*args)
            logger.log("error", *args, **keywords)

    kept = [e for e in events if e["level"] == "error"]
    assert 3 * len(calls) == len(kept)


@pytest.mark.parametrize(
    ("call", "advice"),
    [
        (lambda log: log.info("val/loss", value=0.3), "log.info({'val/loss': 0.5})"),
        (lambda log: log.info("val-loss", value=0.3), "log.info({'val-loss': 0.5})"),
        (lambda log: log.info(loss=0.3), 'log.info({"loss": 0.5})'),
    ],
)
def test_advice(call: Callable[[Any], None], advice: str, tmp_path: Path) -> None:
    """A message that was most likely meant to be a metric is reported once, with what to write."""
    run = logflume.initialize({**JOURNAL, "worker": "process"}, dir=tmp_path)
    logger = logflume.get_logger()
    logger.info("Loading the model", n=1)
    logger.info("Loading...", n=1)
    for _ in range(3):
        call(logger)
    logflume.shutdown()

    events = read(run.folder / "events.jsonl")
    assert 5 == sum(e["event"] == "message" and e["logger"] == "training" for e in events)
    (report,) = (e for e in events if e["event"] == "pipeline" and e["status"] == "limited")
    assert advice in report["reason"]


def test_the_call_replaces_what_is_bound() -> None:
    """A mapping or a value of the call counts more than a bound field of the same name."""
    with capture_events("tag_step") as events:
        bound = logflume.get_logger().bind(step=1, loss=1.0)
        bound.info({"step": 2, "loss": 0.5})
        bound.info("training", {"loss": 0.25}, step=3)
        bound.info("loss", 0.125)

    assert [(2, 0.5), (3, 0.25), (1, 0.125)] == [(e["step"], e["loss"]) for e in own(events)]


@pytest.mark.parametrize("value", [True, math.nan, math.inf, Path("data"), [1, 2], 0.5])
def test_a_value_is_no_event_type(value: Any) -> None:
    """A first argument that isn't text is a message, also where its text is an identifier."""
    event = log(value, loss=0.5)

    assert ("message", str(value), 0.5) == (event["event"], event["message"], event["loss"])


def test_a_value_beside_a_message() -> None:
    """A value as first argument is kept if the call has a message, too."""
    event = log(torch.tensor(0.25), message="norm")

    assert ("norm", [0.25]) == (event["message"], event["args"])


def test_names_that_cannot_be_read() -> None:
    """No call raises because of an object whose every attribute raises."""

    class Closed:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError("closed")

    closed: Any = Closed()
    with capture_events() as events:
        logflume.get_logger(closed).info("probe", loss=1)
        logflume.get_logger().log(closed, "probe", loss=1)
        logflume.get_logger().info({closed: 1})
        logflume.get_logger().info("value", closed)

    assert ["<Closed>", *["training"] * 3] == [e["logger"] for e in own(events)]
    assert 1.0 == own(events)[2]["<Closed>"]
    assert own(events)[3]["value"].startswith("<Closed that could not be read")
