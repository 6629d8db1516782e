"""MLflow with its tracking store in SQLite."""

from __future__ import annotations

from pathlib import Path

import mlflow

from tests.benchmarks.peers.protocol import Completion

__all__ = ["MlflowSqlite"]


class MlflowSqlite:
    """`log_metrics` for each step; the completions of a step are one table artifact.

    Args:
        is_async: Whether metrics are queued (`synchronous=False`).
    """

    def __init__(self, is_async: bool) -> None:
        self._is_async = is_async

    def open(self, folder: Path) -> None:
        """Create the database and start a run."""
        mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
        artifacts = (folder / "artifacts").as_uri()
        mlflow.start_run(
            experiment_id=mlflow.create_experiment("bench", artifact_location=artifacts)
        )

    def log_scalars(self, step: int, scalars: dict[str, float]) -> None:
        """Log all metrics of a step in one call."""
        mlflow.log_metrics(scalars, step=step, synchronous=not self._is_async)

    def log_completions(self, step: int, rows: list[Completion]) -> None:
        """Log one table per step, because appending to a table rewrites its whole file."""
        columns: dict[str, list[object]] = {
            "prompt": [row["prompt"] for row in rows],
            "completion": [row["completion"] for row in rows],
            "advantage": [row["advantage"] for row in rows],
        }
        for name in rows[0]["rewards"]:
            columns[name] = [row["rewards"][name] for row in rows]
        mlflow.log_table(columns, f"completions/{step}.json")

    def close(self) -> None:
        """Wait for the queue and end the run."""
        if self._is_async:
            mlflow.flush_async_logging()
        mlflow.end_run()
