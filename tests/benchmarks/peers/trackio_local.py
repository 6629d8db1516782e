"""trackio with its local SQLite database."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from tests.benchmarks.peers.protocol import Completion

__all__ = ["TrackioLocal"]


class TrackioLocal:
    """One project with one run; the dashboard is not started."""

    def open(self, folder: Path) -> None:
        """Set the folder, which trackio reads when it is imported, and start a run."""
        os.environ["TRACKIO_DIR"] = str(folder)
        import trackio

        self._trackio = trackio
        trackio.init(project="bench", name="bench")

    def log_scalars(self, step: int, scalars: dict[str, float]) -> None:
        """Log one row."""
        self._trackio.log(scalars, step=step)

    def log_completions(self, step: int, rows: list[Completion]) -> None:
        """Log one table."""
        flat = [{**row["rewards"], **row} for row in rows]
        frame = pd.DataFrame(flat).drop(columns="rewards")
        self._trackio.log({"completions": self._trackio.Table(dataframe=frame)}, step=step)

    def close(self) -> None:
        """Finish the run."""
        self._trackio.finish()
