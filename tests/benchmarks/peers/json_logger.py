"""python-json-logger behind the standard library's queue, as the logging cookbook has it."""

from __future__ import annotations

import logging
import queue
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from typing import Any

from pythonjsonlogger.orjson import OrjsonFormatter

from tests.benchmarks.peers.protocol import Row

__all__ = ["JsonLogger"]


class JsonLogger:
    """The record goes into a queue without a bound; a thread formats and writes it."""

    def open(self, folder: Path) -> None:
        """Start the thread."""
        self._handler = logging.FileHandler(folder / "events.jsonl")
        self._handler.setFormatter(OrjsonFormatter("%(asctime)s %(levelname)s %(message)s"))
        records: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._listener = QueueListener(records, self._handler)
        self._log = logging.getLogger("training")
        self._log.setLevel(logging.INFO)
        self._log.propagate = False
        self._log.addHandler(QueueHandler(records))
        self._listener.start()

    def step(self, step: int, scalars: dict[str, float]) -> None:
        """Log one record."""
        self._log.info("training", extra={"step": step, **scalars})

    def completions(self, step: int, rows: list[Row]) -> None:
        """Log a record for each."""
        for row in rows:
            self._log.info("completion", extra={"step": step, **row})

    def close(self) -> None:
        """Wait for the thread and close the file."""
        self._listener.stop()
        self._handler.close()
