"""logflume with all five sinks: console, JSONL, CSV, Parquet, TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

import logflume
from tests.benchmarks.peers.protocol import Completion

__all__ = ["AllSinks", "config"]

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

    def log_scalars(self, step: int, scalars: dict[str, float]) -> None:
        """Log one event."""
        self._log.bind(step=step).info("training", **scalars)

    def log_completions(self, step: int, rows: list[Completion]) -> None:
        """Log one event for each completion."""
        for row in rows:
            logflume.log_model_output(
                question=row["prompt"],
                model_output=row["completion"],
                step=step,
                rewards=row["rewards"],
                advantage=row["advantage"],
            )

    def flush(self) -> None:
        """Wait until every event logged so far is written."""
        logflume.flush()

    def close(self) -> None:
        """Write all events and close the sinks."""
        logflume.shutdown()
