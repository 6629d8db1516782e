"""Small runs that resemble those of a training."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import logflume
from logflume.runs.info import RunInfo

CONFIG: dict[str, Any] = {
    "root": {"level": "INFO", "sinks": ["jsonl", "parquet"]},
    "processors": ["tag_step", "flatten_rewards"],
    "sinks": {
        "jsonl": {"path": "{dir}/{run}/events.jsonl"},
        "parquet": {"path": "{dir}/{run}/parquet", "rotate_events": 50},
    },
}


def start(folder: Path, run: str = "r", **sinks: Any) -> RunInfo:
    """Start a run with further options for its sinks."""
    merged = {name: {**options, **sinks.get(name, {})} for name, options in CONFIG["sinks"].items()}
    return logflume.initialize({**CONFIG, "sinks": merged}, dir=folder, run=run)


def log_steps(steps: Iterable[int], scale: float = 1.0) -> None:
    """Log the events of a training: metrics, rewards and four completions for each step."""
    for step in steps:
        logflume.set_step(step, "train")
        rewards = [scale * step, 0.0, None if step % 3 else 1.0, math.nan if step == 5 else 0.5]
        logflume.log_reward_metrics(step, {"right": rewards, "form": [0.5] * 4}, num_generations=2)
        for index, reward in enumerate(rewards):
            total = (reward or 0.0) + 0.5
            logflume.log_model_output(
                "1 + 1?",
                "2",
                f"the answer\nof step {step}: {index}",
                answer="2" if index == 0 else "3",
                rewards={"right": reward, "total": total},
                group=index // 2,
                index=index % 2,
            )
        logflume.log_training_progress(step, {"loss": scale / step, "reward": scale * step})
        if step % 4 == 0:
            logflume.get_training_logger().info("evaluation", loss=scale, mode="eval")
    logflume.set_step(None)


def write_run(folder: Path, *attempts: Iterable[int], run: str = "r", scale: float = 1.0) -> Path:
    """Write a run with one or more attempts and return its folder."""
    for number, steps in enumerate(attempts):
        info = start(folder, run)
        log_steps(steps, scale + number)
        logflume.shutdown()
    return info.folder
