"""loguru with its JSON serialization, written in the call or by a thread."""

from __future__ import annotations

from pathlib import Path

from loguru import logger

from tests.benchmarks.peers.protocol import Completion

__all__ = ["LoguruJson"]


class LoguruJson:
    """A file sink with `serialize`.

    Args:
        enqueue: Whether a thread writes the records, from an unbounded queue.
    """

    def __init__(self, enqueue: bool) -> None:
        self._enqueue = enqueue

    def open(self, folder: Path) -> None:
        """Replace the default sink with the file."""
        logger.remove()
        logger.add(
            folder / "events.jsonl",
            serialize=True,
            enqueue=self._enqueue,
            level="INFO",
            format="{message}",
        )

    def log_scalars(self, step: int, scalars: dict[str, float]) -> None:
        """Log one record."""
        logger.bind(step=step, **scalars).info("training")

    def log_completions(self, step: int, rows: list[Completion]) -> None:
        """Log one record for each completion."""
        for row in rows:
            logger.bind(step=step, **row).info("completion")

    def close(self) -> None:
        """Wait for the thread, if there is one, and close the file."""
        logger.complete()
        logger.remove()
