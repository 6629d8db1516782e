"""The functions that log one kind of event, and the helper for tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.protocols import Event
from logflume.testing import MemorySink, capture_events
from tests.event_helpers import fields, only, own


@pytest.mark.parametrize(
    ("get", "name"),
    [
        (logflume.get_training_logger, "training"),
        (logflume.get_model_logger, "model"),
        (logflume.get_reward_logger, "reward"),
        (logflume.get_system_logger, "system"),
        (logflume.get_metrics_logger, "metrics"),
    ],
)
def test_loggers_have_their_names_and_context(get: Callable[..., Any], name: str) -> None:
    """Each function gives the logger of its name, with the fields that it was given."""
    with capture_events() as events:
        get(phase="warmup").info("probe")

    assert (name, {"phase": "warmup"}) == (only(events)["logger"], fields(only(events)))


def log_with(call: Callable[[], None]) -> Event:
    with capture_events("tag_step", "flatten_rewards") as events:
        call()
    return only(events)


def test_more_fields() -> None:
    """The functions take further fields, and a `step` or `mode` of their own."""
    progress = log_with(lambda: logflume.log_training_progress(3, {"loss": 1}, mode="eval", x=2))
    output = log_with(lambda: logflume.log_model_output("q", step=3, rewards={"a": 1}, advantage=0))
    reward = log_with(lambda: logflume.log_reward_metrics(3, {"a": [1, 1]}, num_generations=2))
    memory = log_with(lambda: logflume.log_memory_usage(step=3, note="x"))

    assert (3, "eval", 1.0, 2.0) == tuple(progress[n] for n in ("step", "mode", "loss", "x"))
    assert ("q", 1.0, 0.0) == tuple(output[n] for n in ("question", "rewards/a", "advantage"))
    assert (1.0, 2) == (reward["rewards/a/frac_zero_std"], reward["num_generations"])
    assert ("x", 3) == (memory["note"], memory["step"])


def test_the_step_given_wins() -> None:
    """Metrics that are named like an argument or a reserved name change neither step nor header."""
    metrics = {"step": 99, "event": "other", "logger": "other", "loss": 0.5}
    event = log_with(lambda: logflume.log_training_progress(3, metrics))

    assert ("training", "training", 3) == (event["event"], event["logger"], event["step"])
    assert {"event": "other", "logger": "other"} == json.loads(event["extras"])


class Unnamed:
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ({1: 0.5, None: 2}, {"1": 0.5, "None": 2.0}),
        ({Unnamed(): 1}, {"<Unnamed>": 1.0}),
        (None, {"problem": "AttributeError: 'NoneType' object has no attribute 'items'"}),
    ],
)
def test_metrics_of_any_shape(metrics: Any, expected: dict[str, Any]) -> None:
    """Names that are no text, and what is no mapping at all, don't raise in the training code."""
    progress = log_with(lambda: logflume.log_training_progress(3, metrics))
    reward = log_with(lambda: logflume.log_reward_metrics(3, metrics))

    assert expected == fields(progress) == fields(reward)


def test_captured_events_are_untouched_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Capturing events writes nothing where the user's runs are, and sees every level."""
    monkeypatch.setenv("LOGFLUME_DIR", str(tmp_path))
    monkeypatch.setenv("LOGFLUME_RUN", "precious")
    monkeypatch.setenv("LOGFLUME_LEVEL", "ERROR")
    with capture_events() as events:
        logflume.get_logger().debug("probe")

    assert "precious" != only(events)["run"]
    assert [] == list(tmp_path.iterdir())


def test_captured_events_within_the_block() -> None:
    """After `flush()` the events are there, before the block ends."""
    with capture_events() as events:
        logflume.get_logger().info("probe")
        logflume.flush()

        assert 1 == len(own(events))


def test_a_memory_sink_knows_its_end(tmp_path: Path) -> None:
    """It keeps what was written, and remembers being closed."""
    sink = MemorySink()
    logflume.initialize({"root": {"sinks": ["m"]}, "sinks": {"m": sink}}, dir=tmp_path)
    logflume.get_logger().info("probe")
    logflume.shutdown()

    assert sink.is_closed
    assert 1 == len(own(sink.events))


def test_an_error_in_the_block_comes_out() -> None:
    """What a test raises while it captures is raised, and the pipeline is closed."""
    with pytest.raises(ZeroDivisionError), capture_events():
        raise ZeroDivisionError

    assert not logflume.flush()
