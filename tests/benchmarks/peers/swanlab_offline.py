"""SwanLab in offline mode."""

from __future__ import annotations

from pathlib import Path

import swanlab

from tests.benchmarks.peers.protocol import Completion

__all__ = ["SwanLabOffline"]


class SwanLabOffline:
    """`mode="offline"`: writes a folder that can be synced later."""

    def open(self, folder: Path) -> None:
        """Start a run."""
        swanlab.init(project="bench", mode="offline", logdir=str(folder))

    def log_scalars(self, step: int, scalars: dict[str, float]) -> None:
        """Log one row."""
        swanlab.log(scalars, step=step)

    def log_completions(self, step: int, rows: list[Completion]) -> None:
        """Log one list of texts, with the rewards as captions."""
        texts = [swanlab.Text(row["completion"], caption=str(row["rewards"])) for row in rows]
        swanlab.log({"completions": texts}, step=step)

    def close(self) -> None:
        """Finish the run."""
        swanlab.finish()
