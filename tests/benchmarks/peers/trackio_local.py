"""trackio into its local SQLite database."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from tests.benchmarks.peers.protocol import Row

__all__ = ["TrackioLocal"]


class TrackioLocal:
    """One project, one run; its dashboard isn't started by the program."""

    def open(self, folder: Path) -> None:
        """Start a run; the folder has to be known before trackio is imported."""
        os.environ["TRACKIO_DIR"] = str(folder)
        import trackio

        self._trackio = trackio
        trackio.init(project="bench", name="bench")

    def step(self, step: int, scalars: dict[str, float]) -> None:
        """Log one row."""
        self._trackio.log(scalars, step=step)

    def completions(self, step: int, rows: list[Row]) -> None:
        """Log one table."""
        flat = [{**row["rewards"], **row} for row in rows]
        frame = pd.DataFrame(flat).drop(columns="rewards")
        self._trackio.log({"completions": self._trackio.Table(dataframe=frame)}, step=step)

    def close(self) -> None:
        """Finish the run."""
        self._trackio.finish()
