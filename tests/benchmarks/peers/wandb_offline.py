"""wandb in offline mode: its helper process writes a file that can be synced later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import wandb

from tests.benchmarks.peers.protocol import Completion

__all__ = ["WandbOffline"]


class WandbOffline:
    """`mode="offline"`, with the default system metrics."""

    def open(self, folder: Path) -> None:
        """Start a run."""
        self._run: Any = wandb.init(
            project="bench",
            dir=str(folder),
            mode="offline",
            settings=wandb.Settings(silent=True, console="off"),
        )

    def log_scalars(self, step: int, scalars: dict[str, float]) -> None:
        """Log one row of the history."""
        self._run.log(scalars, step=step)

    def log_completions(self, step: int, rows: list[Completion]) -> None:
        """Log one table."""
        functions = list(rows[0]["rewards"])
        table = wandb.Table(columns=["prompt", "completion", *functions, "advantage"])
        for row in rows:
            table.add_data(
                row["prompt"], row["completion"], *row["rewards"].values(), row["advantage"]
            )
        self._run.log({"completions": table}, step=step)

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()
