"""SwanLab without a network."""

from __future__ import annotations

from pathlib import Path

import swanlab

from tests.benchmarks.peers.protocol import Row

__all__ = ["SwanLabOffline"]


class SwanLabOffline:
    """`mode="offline"`: a folder that can be synced later."""

    def open(self, folder: Path) -> None:
        """Start a run."""
        swanlab.init(project="bench", mode="offline", logdir=str(folder))

    def step(self, step: int, scalars: dict[str, float]) -> None:
        """Log one row."""
        swanlab.log(scalars, step=step)

    def completions(self, step: int, rows: list[Row]) -> None:
        """Log one list of texts, with the rewards as their captions."""
        texts = [swanlab.Text(row["completion"], caption=str(row["rewards"])) for row in rows]
        swanlab.log({"completions": texts}, step=step)

    def close(self) -> None:
        """Finish the run."""
        swanlab.finish()
