"""Aim into a local repository."""

from __future__ import annotations

from pathlib import Path

from aim import Run, Text

from tests.benchmarks.peers.protocol import Row

__all__ = ["AimRepo"]


class AimRepo:
    """One run, without the system's statistics and the terminal's log."""

    def open(self, folder: Path) -> None:
        """Start a run."""
        self._run = Run(
            repo=str(folder),
            experiment="bench",
            system_tracking_interval=None,
            capture_terminal_logs=False,
        )

    def step(self, step: int, scalars: dict[str, float]) -> None:
        """Track the values of a step at once."""
        self._run.track(scalars, step=step)

    def completions(self, step: int, rows: list[Row]) -> None:
        """Track one list of texts, and the rewards as texts beside them."""
        texts = [Text(row["completion"]) for row in rows]
        self._run.track(texts, name="completions", step=step)
        self._run.track([Text(str(row["rewards"])) for row in rows], name="rewards", step=step)

    def close(self) -> None:
        """Close the run."""
        self._run.close()
