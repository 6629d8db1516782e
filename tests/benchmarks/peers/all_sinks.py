"""logflume with all five sinks: console, JSONL, CSV, Parquet, TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

import logflume
from tests.benchmarks.peers.protocol import Row

__all__ = ["AllSinks", "config"]

_DEFAULT = Path(__file__).parents[3] / "configs" / "default.yaml"
_SINKS = ["console", "jsonl", "csv", "parquet", "tensorboard"]


def config() -> dict[str, Any]:
    """Return the default configuration, every event to each of the five sinks."""
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
    """The default's processors, buffer and intervals; the console is the process' stderr."""

    def open(self, folder: Path, chosen: dict[str, Any] | None = None) -> None:
        """Start a run, with another configuration if one is given."""
        logflume.initialize(chosen or config(), dir=folder, level="INFO")
        self._log = logflume.get_training_logger()

    def step(self, step: int, scalars: dict[str, float]) -> None:
        """Log one event."""
        self._log.bind(step=step).info("training", **scalars)

    def completions(self, step: int, rows: list[Row]) -> None:
        """Log an event for each."""
        for row in rows:
            logflume.log_model_output(
                question=row["prompt"],
                model_output=row["completion"],
                step=step,
                rewards=row["rewards"],
                advantage=row["advantage"],
            )

    def sanitize(self) -> None:
        """Wait until everything so far is in the sinks."""
        logflume.flush()

    def close(self) -> None:
        """Write everything and close the sinks."""
        logflume.shutdown()
