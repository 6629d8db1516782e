"""The two TensorBoard writers for Python: torch's `SummaryWriter` and tensorboardX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.benchmarks.peers.protocol import Completion

__all__ = ["TorchWriter", "XWriter"]


class _Writer:
    """One `add_scalar` per scalar; the completions of a step are one text with a table."""

    _writer: Any

    def log_scalars(self, step: int, scalars: dict[str, float]) -> None:
        """Add each scalar."""
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, step)

    def log_completions(self, step: int, rows: list[Completion]) -> None:
        """Add one Markdown table."""
        lines = ["| prompt | completion | rewards | advantage |", "|---|---|---|---|"]
        lines += [
            f"| {row['prompt']} | {row['completion']} | {row['rewards']} | {row['advantage']} |"
            for row in rows
        ]
        self._writer.add_text("completions", "\n".join(lines), step)

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()


class TorchWriter(_Writer):
    """`torch.utils.tensorboard.SummaryWriter`."""

    def __init__(self) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._make: Any = SummaryWriter

    def open(self, folder: Path) -> None:
        """Open an event file."""
        self._writer = self._make(log_dir=str(folder))


class XWriter(_Writer):
    """`tensorboardX.SummaryWriter`."""

    def __init__(self) -> None:
        from tensorboardX import SummaryWriter

        self._make: Any = SummaryWriter

    def open(self, folder: Path) -> None:
        """Open an event file."""
        self._writer = self._make(logdir=str(folder))
