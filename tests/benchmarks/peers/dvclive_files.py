"""DVCLive writing TSV and JSON files, without DVC and Git."""

from __future__ import annotations

from pathlib import Path

from dvclive import Live

from tests.benchmarks.peers.protocol import Completion

__all__ = ["DvcliveFiles"]


class DvcliveFiles:
    """`log_metric` for each scalar, then `next_step`."""

    def open(self, folder: Path) -> None:
        """Create the `Live` object."""
        self._live = Live(
            str(folder / "dvclive"), dvcyaml=False, save_dvc_exp=False, monitor_system=False
        )

    def log_scalars(self, step: int, scalars: dict[str, float]) -> None:
        """Log each scalar."""
        self._live.step = step
        for name, value in scalars.items():
            self._live.log_metric(name, value)
        self._live.next_step()

    def log_completions(self, step: int, rows: list[Completion]) -> None:
        """Raise an error.

        Raises:
            NotImplementedError: DVCLive has no API for texts.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End the `Live` object."""
        self._live.end()
