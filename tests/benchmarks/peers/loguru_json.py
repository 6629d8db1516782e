"""loguru with its own JSON, written in the call or by a thread."""

from __future__ import annotations

from pathlib import Path

from loguru import logger

from tests.benchmarks.peers.protocol import Row

__all__ = ["LoguruJson"]


class LoguruJson:
    """A file sink with `serialize`.

    Args:
        enqueue: Whether a thread writes; its queue has no bound.
    """

    def __init__(self, enqueue: bool) -> None:
        self._enqueue = enqueue

    def open(self, folder: Path) -> None:
        """Replace the default sink by the file."""
        logger.remove()
        logger.add(
            folder / "events.jsonl",
            serialize=True,
            enqueue=self._enqueue,
            level="INFO",
            format="{message}",
        )

    def step(self, step: int, scalars: dict[str, float]) -> None:
        """Log one record."""
        logger.bind(step=step, **scalars).info("training")

    def completions(self, step: int, rows: list[Row]) -> None:
        """Log a record for each."""
        for row in rows:
            logger.bind(step=step, **row).info("completion")

    def close(self) -> None:
        """Wait for the thread, if there is one, and close the file."""
        logger.complete()
        logger.remove()
