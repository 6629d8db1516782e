"""DVCLive into its TSV and JSON files, without DVC and Git."""

from __future__ import annotations

from pathlib import Path

from dvclive import Live

from tests.benchmarks.peers.protocol import Row

__all__ = ["DvcliveFiles"]


class DvcliveFiles:
    """`log_metric` for each scalar, then `next_step`."""

    def open(self, folder: Path) -> None:
        """Start."""
        self._live = Live(
            str(folder / "dvclive"), dvcyaml=False, save_dvc_exp=False, monitor_system=False
        )

    def step(self, step: int, scalars: dict[str, float]) -> None:
        """Log each scalar."""
        self._live.step = step
        for name, value in scalars.items():
            self._live.log_metric(name, value)
        self._live.next_step()

    def completions(self, step: int, rows: list[Row]) -> None:
        """Fail.

        Raises:
            NotImplementedError: It has no call for texts.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End."""
        self._live.end()
