"""Runs with every sink, several ranks and attempts, and values that are hard to serialize."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import logflume

CONFIG: dict[str, Any] = {
    "root": {"level": "INFO", "sinks": ["log_file", "jsonl", "parquet", "tensorboard"]},
    "loggers": {"model": {"sinks": ["jsonl", "parquet", "outputs", "tensorboard"]}},
    "processors": ["tag_step", "flatten_rewards"],
    "sinks": {
        "log_file": {"type": "console", "path": "{dir}/{run}/training.log"},
        "jsonl": {"path": "{dir}/{run}/events.jsonl", "rotate_bytes": 20_000},
        "outputs": {"type": "csv", "path": "{dir}/{run}/outputs.csv", "events": ["model_output"]},
        "parquet": {"path": "{dir}/{run}/parquet", "rotate_events": 20},
        "tensorboard": {"path": "{dir}/{run}/tensorboard"},
    },
}


def start(folder: Path, **more: Any) -> Path:
    """Start the run `r`, or its next attempt, and return its folder."""
    return logflume.initialize({**CONFIG, **more}, dir=folder, run="r").folder


def log_steps(*steps: int) -> None:
    """Log training steps with values that have broken sinks before."""
    log = logflume.get_training_logger()
    for step in steps:
        logflume.set_step(step)
        logflume.log_training_progress(step, {"loss": math.nan if step == 3 else 1 / (step + 1)})
        logflume.log_reward_metrics(step, {"right": [1.0, None, math.inf], "form": [0.5] * 3})
        for index in range(6):
            logflume.log_model_output("1 + 1?", "2", f'=so "{step}",\nis it {index}\x1b[31m 🎉')
        log.info("odd", note=None, texts=["a", None], nothing=[], big=2**60, **{"with space": step})
        log.info("odd", note=step if step % 2 else "text", late=[None, step * 1.5])
    logflume.set_step(None)
    try:
        raise ValueError("on\npurpose")
    except ValueError:
        log.exception("it failed")


def write_run(folder: Path, *attempts: range, rank: int = 0, **more: Any) -> Path:
    """Write a run of one or more attempts as one rank, and return its folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RANK", str(rank))
        for steps in attempts:
            run = start(folder, **more)
            log_steps(*steps)
            logflume.shutdown()
    return run


def write_large(folder: Path) -> Path:
    """Write a run of two ranks, the first of which was continued from step 4."""
    write_run(folder, range(8), range(4, 12))
    return write_run(folder, range(4), rank=1)


Files = Mapping[str, bytes]


def contents(folder: Path) -> Files:
    """Return the content of all files in a folder, by relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
