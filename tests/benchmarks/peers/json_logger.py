"""python-json-logger with the standard library's `QueueHandler`, as in the logging cookbook."""

from __future__ import annotations

import logging
import queue
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from typing import Any

from pythonjsonlogger.orjson import OrjsonFormatter

from tests.benchmarks.peers.protocol import Completion

__all__ = ["JsonLogger"]


class JsonLogger:
    """The call puts the record into an unbounded queue; a thread formats and writes it."""

    def open(self, folder: Path) -> None:
        """Open the file and start the thread."""
        self._handler = logging.FileHandler(folder / "events.jsonl")
        self._handler.setFormatter(OrjsonFormatter("%(asctime)s %(levelname)s %(message)s"))
        records: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._listener = QueueListener(records, self._handler)
        self._log = logging.getLogger("training")
        self._log.setLevel(logging.INFO)
        self._log.propagate = False
        self._log.addHandler(QueueHandler(records))
        self._listener.start()

    def log_scalars(self, step: int, scalars: dict[str, float]) -> None:
        """Log one record."""
        self._log.info("training", extra={"step": step, **scalars})

    def log_completions(self, step: int, rows: list[Completion]) -> None:
        """Log one record for each completion."""
        for row in rows:
            self._log.info("completion", extra={"step": step, **row})

    def close(self) -> None:
        """Wait for the thread and close the file."""
        self._listener.stop()
        self._handler.close()
