"""MLflow with its tracking store in SQLite."""

from __future__ import annotations

from pathlib import Path

import mlflow

from tests.benchmarks.peers.protocol import Row

__all__ = ["MlflowSqlite"]


class MlflowSqlite:
    """`log_metrics` for a step; the completions of a step are one table among the artifacts.

    Args:
        is_async: Whether metrics go through MLflow's queue (`synchronous=False`).
    """

    def __init__(self, is_async: bool) -> None:
        self._is_async = is_async

    def open(self, folder: Path) -> None:
        """Make the database and start a run."""
        mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
        artifacts = (folder / "artifacts").as_uri()
        mlflow.start_run(
            experiment_id=mlflow.create_experiment("bench", artifact_location=artifacts)
        )

    def step(self, step: int, scalars: dict[str, float]) -> None:
        """Log the metrics of a step at once."""
        mlflow.log_metrics(scalars, step=step, synchronous=not self._is_async)

    def completions(self, step: int, rows: list[Row]) -> None:
        """Log one table, a file a step: appending to one file would rewrite it."""
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
