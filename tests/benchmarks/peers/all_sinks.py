"""logflume with all five sinks: console, JSONL, CSV, Parquet, TensorBoard."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

import yaml

import logflume
from logflume.training.rollout_events import log_rollouts
from logflume.training.rollouts import Rollouts
from tests.benchmarks.peers.protocol import Completion

__all__ = ["EVENTS_PER_STEP", "AllSinks", "config"]

EVENTS_PER_STEP = 2
"""Events of a call of `log_scalars`: the trainer's report, and the rewards."""

_FUNCTIONS = ("correctness", "format", "length")
_GROUP = 8
_BATCH = 64

_DEFAULT = Path(__file__).parents[3] / "configs" / "default.yaml"
_SINKS = ["console", "jsonl", "csv", "parquet", "tensorboard"]


def config() -> dict[str, Any]:
    """Return the default configuration, with every event routed to all five sinks."""
    default: dict[str, Any] = yaml.safe_load(_DEFAULT.read_text())
    sinks = default["sinks"]
    sinks["csv"] = {"path": "{dir}/{run}/events.csv", "events": ["training", "model_output"]}
    return {
        **default,
        "root": {"level": "INFO", "sinks": _SINKS},
        "loggers": {},
        "sinks": {name: sinks[name] for name in _SINKS},
    }


class AllSinks:
    """The default processors, buffer and intervals; the console sink writes to stderr."""

    def open(self, folder: Path, settings: dict[str, Any] | None = None) -> None:
        """Start a run with `settings`, by default those of `config`."""
        logflume.initialize(settings or config(), dir=folder, level="INFO")
        self._log = logflume.get_training_logger()
        self._rewards = logflume.get_reward_logger()
        rng = Random(0)
        names = [f"rewards/{name}" for name in _FUNCTIONS]
        lists = [{n: [rng.random() for _ in range(_BATCH)] for n in names} for _ in range(16)]
        self._lists = cycle(lists)

    def log_scalars(self, step: int, scalars: dict[str, float]) -> None:
        """Log a step as a trainer does: the step is set, then come its report and the rewards.

        Peers get the statistics of the rewards; logflume computes them from the lists.
        """
        logflume.set_step(step, "train")
        self._log.info("training", **scalars)
        self._rewards.info("reward", num_generations=_GROUP, **next(self._lists))

    def log_completions(self, step: int, rows: list[Completion]) -> None:
        """Log a batch of completions as `attach` does."""
        log_rollouts(
            Rollouts(
                generation=step,
                global_step=step - 1,
                step=step,
                mode="train",
                prompts=[row["prompt"] for row in rows],
                completions=[row["completion"] for row in rows],
                names=list(_FUNCTIONS),
                table=[[row["rewards"][name] for name in _FUNCTIONS] for row in rows],
                advantages=[row["advantage"] for row in rows],
                group_size=_GROUP,
                reward_s=dict.fromkeys(_FUNCTIONS, 0.01),
                generate_s=1.0,
            )
        )

    def flush(self) -> None:
        """Wait until every event logged so far is written."""
        logflume.flush()

    def close(self) -> None:
        """Write all events and close the sinks."""
        logflume.shutdown()
