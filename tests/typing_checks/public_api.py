"""Uses of the public API that pass `mypy --strict`, with the types that they must have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, assert_type

import logflume
from logflume.logger import EventLogger
from logflume.pipeline.pipeline import Report
from logflume.protocols import Event, Processor, Sink
from logflume.query.open_run import Run, Runs
from logflume.runs.info import RunInfo
from logflume.testing import MemorySink, capture_events


class StepLogger(EventLogger):
    """A subclass with a method of its own."""

    def step(self, number: int) -> None:
        """Log a step."""
        self.info("step", number=number)


def log_events() -> None:
    """Every function that returns a logger, and every method of a logger."""
    log = assert_type(logflume.get_logger("training", phase="warmup"), EventLogger)
    assert_type(logflume.get_training_logger(), EventLogger)
    assert_type(logflume.get_model_logger(), EventLogger)
    assert_type(logflume.get_reward_logger(rank=0), EventLogger)
    assert_type(logflume.get_system_logger(), EventLogger)
    assert_type(logflume.get_metrics_logger(), EventLogger)
    log.debug("loss is %.2f", 0.5)
    log.info("reward", correctness=[2.0, None], format={"mean": 0.5})
    log.warning("slow", seconds=2)
    log.warn("slow", seconds=2)
    log.error("failed", exc_info=True)
    log.exception("failed")
    log.critical("failed")
    log.log(20, "checkpoint", path=Path("a"))
    assert_type(log.is_enabled_for(10), bool)
    assert_type(log.get_effective_level(), int)


async def log_in_a_coroutine() -> None:
    """The methods of a logger for coroutines."""
    log = logflume.get_logger()
    await log.ainfo("checkpoint", path="a")
    await log.aerror("failed")
    await log.alog(30, "slow")


def bind(log: StepLogger) -> None:
    """A subclass stays what it is; EventLogger stays itself."""
    assert_type(log.bind(a=1), StepLogger).step(1)
    assert_type(log.unbind("a"), StepLogger).step(2)
    assert_type(log.try_unbind("a"), StepLogger).step(3)
    assert_type(log.new(a=1), StepLogger).step(4)
    assert_type(logflume.get_logger().bind(a=1).unbind("a").new().try_unbind("b"), EventLogger)


def log_with_the_shortcuts(rewards: dict[str, Sequence[float | None]]) -> None:
    """The functions for the usual event types."""
    logflume.log_model_output("1 + 1?", "2", model_output="2", rewards={"correctness": 2.0})
    logflume.log_training_progress(1, {"loss": 0.5}, mode="eval")
    logflume.log_reward_metrics(1, rewards, num_generations=8)
    logflume.log_memory_usage(step=1)


def run_a_pipeline(folder: Path, processor: Processor) -> None:
    """The functions that start, steer and end a run."""
    sink: Sink = MemorySink()
    config = {"processors": ["tag_step", processor], "sinks": {"memory": sink}}
    run = assert_type(logflume.initialize(config, run="r", dir=folder, level="INFO"), RunInfo)
    logflume.initialize(hyperparameters={"lr": 1e-5}, tags=["a"], notes="b")
    assert_type(run.folder, Path)
    logflume.set_step(1, "train", total=40)
    assert_type(logflume.report(), Report | None)
    assert_type(logflume.flush(timeout_s=1), bool)
    assert_type(logflume.shutdown(), bool)
    with capture_events("tag_step") as events:
        assert_type(events, list[Event])


def read_runs(folder: Path) -> None:
    """The functions that open runs, and what iterating over them yields."""
    try:
        run = assert_type(logflume.open_run(folder, attempts="all"), Run)
        runs = assert_type(logflume.open_runs([folder, "logs/latest"]), Runs)
    except (logflume.RunError, logflume.LogflumeError):
        return
    assert_type(list(run), list[dict[str, Any]])
    assert_type(list(runs), list[Run])
    assert_type(run.types(), dict[str, int])
