"""Calls like one before are finished at once: what comes out is what came out at length."""

from __future__ import annotations

import math
import tracemalloc
from enum import StrEnum
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import logflume
from logflume.testing import capture_events
from tests.own_events import JOURNAL, only, own, read

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 10**400]),
    st.floats(),
    st.text(),
    st.text(st.characters(categories=["Cs", "Cc", "L"])),
    st.sampled_from(["train", "eval", "a" * 1_000_001]),
    st.lists(st.floats(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
NAMES = st.sampled_from(
    ["loss", "kl", "step", "mode", "message", "seq", "level", "_position", "é", "\ud800", "a/b"]
)
FIELDS = st.dictionaries(NAMES, VALUES, max_size=4)
CALLS = st.tuples(
    st.sampled_from(["training", "reward", "checkpoint", "x", "two words"]),
    st.sampled_from(["info", "warning"]),
    FIELDS,
    FIELDS,
)


def unchanged(_logger: Any, _method: str, event_dict: dict[str, Any]) -> dict[str, Any]:
    """Change nothing, and don't say so: with it in the chain there is no shortcut."""
    return event_dict


def log_all(calls: list[tuple[str, str, dict[str, Any], dict[str, Any]]], *chain: Any) -> list[Any]:
    with capture_events(*chain) as events:
        for event, level, context, given_fields in calls:
            log = logflume.get_logger().bind(**context)
            getattr(log, level)(event, **given_fields)
    return [repr({**event, "timestamp": None, "run": None}) for event in own(events)]


@settings(max_examples=60, deadline=None)
@given(calls=st.lists(CALLS, min_size=1, max_size=6), changes=st.lists(VALUES, max_size=4))
def test_the_shortcut_changes_nothing(
    calls: list[tuple[str, str, dict[str, Any], dict[str, Any]]], changes: list[Any]
) -> None:
    """Whatever is logged again and again, also with other values, is as it would be at length."""
    again = [
        (event, level, context, dict.fromkeys(given_fields, change))
        for change in changes
        for event, level, context, given_fields in calls
    ]
    everything = [*calls, *calls, *again, *calls]

    assert log_all(everything, unchanged) == log_all(everything)


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.floats(), min_size=2, max_size=20))
def test_the_shipped_chain(values: list[float]) -> None:
    """With the default's processors, most of which pass such events by, it is the same."""
    chain = ["redact_secrets", "tag_step", "flatten_rewards", "watch_training"]
    calls: list[Any] = [
        ("training", "info", {"step": step}, {"loss": value, "kl": value / 2, "hf_token": "abc"})
        for step, value in enumerate(values)
    ]

    assert log_all(calls, *chain, unchanged) == log_all(calls, *chain)


def test_what_set_step_says() -> None:
    """Events take step and mode of `set_step` though others of their kind had their own."""
    with capture_events("tag_step") as events:
        log = logflume.get_logger()
        for _ in range(2):
            logflume.set_step(None)
            log.info("x", a=0.5, step=1, mode="train")
            logflume.set_step(7, "eval")
            log.info("x", a=0.5)
            log.info("x", a=0.5, step=None, mode=None)
            log.info("x", a=0.5, step=2, mode="train")
        logflume.set_step(None)
        log.info("x", a=0.5)

    found = [(event["step"], event.get("mode")) for event in own(events)]
    assert [(1, "train"), (7, "eval"), (7, "eval"), (2, "train")] * 2 + [(None, None)] == found


class Level(StrEnum):
    """Names of loggers, as some projects have them."""

    LOOP = "training.loop"


def test_a_logger_whose_name_is_only_like_a_text() -> None:
    """Its events have the text itself, also after others that are alike but for that."""
    with capture_events() as events:
        for name in ("a", "a", Level.LOOP, Level.LOOP):
            logflume.get_logger(name).info("x", loss=0.5)

    assert [("a", str)] * 2 + [("training.loop", str)] * 2 == [
        (event["logger"], type(event["logger"])) for event in own(events)
    ]


def test_a_secret_that_is_only_like_a_text() -> None:
    """A processor before `redact_secrets` may leave texts of a class of its own."""

    def adding(_logger: Any, _method: str, event_dict: dict[str, Any]) -> dict[str, Any]:
        return {**event_dict, "hf_token": Level.LOOP}

    with capture_events(adding, "redact_secrets") as events:
        logflume.get_logger().info("x", loss=0.5)

    assert "[redacted]" == only(events)["hf_token"]


def test_events_of_many_fields_are_not_remembered(tmp_path: Path) -> None:
    """Nor does it keep names without number."""
    logflume.initialize(JOURNAL, dir=tmp_path)
    tracemalloc.start()
    try:
        for number in range(200):
            logflume.get_logger().info("x", **{f"{number}/{n}": 0.5 for n in range(1_000)})
        assert logflume.flush()
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        logflume.shutdown()

    assert kept_bytes < 10_000_000


def test_messages_are_not_remembered(tmp_path: Path) -> None:
    """What is remembered of calls doesn't keep the texts of messages alive."""
    logflume.initialize(JOURNAL, dir=tmp_path)
    tracemalloc.start()
    try:
        for number in range(100):
            logflume.get_logger().info(f"{number} " + "a " * 100_000)
        assert logflume.flush()
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        logflume.shutdown()

    assert 100 == len(own(read(tmp_path / "latest" / "events.jsonl")))
    assert kept_bytes < 5_000_000


def test_a_value_beyond_its_limits() -> None:
    """Of events that are alike, one whose value doesn't fit is finished at length, and no other."""
    with capture_events() as events:
        for value in (0.5, math.nan, 1.5, math.inf):
            logflume.get_logger().info("x", a=value)
        for number in (1, 2**53 + 1, 2):
            logflume.get_logger().info("y", n=number)

    assert [None, {"a": "NaN"}, None, {"a": "Infinity"}] == [
        event.get("nonfinite") for event in own(events)[:4]
    ]
    assert [(1.0, None), (None, f'{{"n":{2**53 + 1}}}'), (2.0, None)] == [
        (event.get("n"), event.get("extras")) for event in own(events)[4:]
    ]
    assert list(range(len(events))) == [event["seq"] for event in events]
