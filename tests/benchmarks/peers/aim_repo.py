"""Aim with a local repository."""

from __future__ import annotations

from pathlib import Path

from aim import Run, Text

from tests.benchmarks.peers.protocol import Completion

__all__ = ["AimRepo"]


class AimRepo:
    """One run, without system metrics and terminal output."""

    def open(self, folder: Path) -> None:
        """Start a run."""
        self._run = Run(
            repo=str(folder),
            experiment="bench",
            system_tracking_interval=None,
            capture_terminal_logs=False,
        )

    def log_scalars(self, step: int, scalars: dict[str, float]) -> None:
        """Track all values of a step in one call."""
        self._run.track(scalars, step=step)

    def log_completions(self, step: int, rows: list[Completion]) -> None:
        """Track one list of texts, and the rewards as a second list of texts."""
        texts = [Text(row["completion"]) for row in rows]
        self._run.track(texts, name="completions", step=step)
        self._run.track([Text(str(row["rewards"])) for row in rows], name="rewards", step=step)

    def close(self) -> None:
        """Close the run."""
        self._run.close()
