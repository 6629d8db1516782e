"""The logging shortcuts, and `logflume.testing`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
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
    """Each function returns the logger of its name, with the given fields bound."""
    with capture_events() as events:
        get(phase="warmup").info("probe", n=1)

    assert (name, {"phase": "warmup", "n": 1}) == (only(events)["logger"], fields(only(events)))


def event_of(call: Callable[[], None]) -> Event:
    with capture_events("tag_step", "flatten_rewards") as events:
        call()
    return only(events)


def test_further_fields() -> None:
    """The functions accept further fields, and a `step` or `mode`."""
    progress = event_of(lambda: logflume.log_training_progress(3, {"loss": 1}, mode="eval", x=2))
    output = event_of(lambda: logflume.log_model_output("q", step=3, rewards={"a": 1}, advantage=0))
    reward = event_of(lambda: logflume.log_reward_metrics(3, {"a": [1, 1]}, num_generations=2))
    memory = event_of(lambda: logflume.log_memory_usage(step=3, note="x"))

    assert (3, "eval", 1.0, 2.0) == tuple(progress[n] for n in ("step", "mode", "loss", "x"))
    assert ("q", 1.0, 0.0) == tuple(output[n] for n in ("question", "rewards/a", "advantage"))
    assert (1.0, 2) == (reward["rewards/a/frac_zero_std"], reward["num_generations"])
    assert ("x", 3) == (memory["note"], memory["step"])


def test_the_argument_step_wins() -> None:
    """Metrics named like an argument or a reserved name change neither step nor header."""
    metrics = {"step": 99, "event": "other", "logger": "other", "loss": 0.5}
    event = event_of(lambda: logflume.log_training_progress(3, metrics))

    assert ("training", "training", 3) == (event["event"], event["logger"], event["step"])
    assert {"event": "other", "logger": "other"} == json.loads(event["extras"])


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ({1: 0.5, None: 2}, {"1": 0.5, "None": 2.0}),
        ({Unprintable(): 1}, {"<Unprintable>": 1.0}),
        ({1: 0.5, "1": 2}, {"1": 0.5, "1 (2)": 2.0}),
        (SimpleNamespace(loss=0.5), {"loss": 0.5}),
        (None, {"problem": "expected a mapping of names to values, found None"}),
    ],
)
def test_invalid_metrics(metrics: Any, expected: dict[str, Any]) -> None:
    """Names that aren't strings, and metrics that aren't a mapping, raise no error."""
    progress = event_of(lambda: logflume.log_training_progress(3, metrics))
    reward = event_of(lambda: logflume.log_reward_metrics(3, metrics))

    assert expected == fields(progress) == fields(reward)


def test_captured_events_ignore_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Capturing events doesn't write to the user's run folder and includes every level."""
    monkeypatch.setenv("LOGFLUME_DIR", str(tmp_path))
    monkeypatch.setenv("LOGFLUME_RUN", "precious")
    monkeypatch.setenv("LOGFLUME_LEVEL", "ERROR")
    with capture_events() as events:
        logflume.get_logger().debug("probe")

    assert "precious" != only(events)["run"]
    assert [] == list(tmp_path.iterdir())


def test_captured_events_within_the_block() -> None:
    """After `flush()`, events are available before the block ends."""
    with capture_events() as events:
        logflume.get_logger().info("probe")
        logflume.flush()

        assert 1 == len(own(events))


def test_memory_sink(tmp_path: Path) -> None:
    """It keeps the events written, and records that it was closed."""
    sink = MemorySink()
    logflume.initialize({"root": {"sinks": ["m"]}, "sinks": {"m": sink}}, dir=tmp_path)
    logflume.get_logger().info("probe")
    logflume.shutdown()

    assert sink.is_closed
    assert 1 == len(own(sink.events))


def test_an_error_in_the_block_propagates() -> None:
    """An error raised while capturing propagates, and the pipeline is closed."""
    with pytest.raises(ZeroDivisionError), capture_events():
        raise ZeroDivisionError

    assert not logflume.flush()
