"""structlog, configured for speed as its documentation recommends: orjson and `BytesLogger`."""

from __future__ import annotations

from pathlib import Path

import orjson
import structlog

from tests.benchmarks.peers.protocol import Completion

__all__ = ["StructlogJson"]


class StructlogJson:
    """Level, ISO timestamp and JSON, written and flushed in the call."""

    def open(self, folder: Path) -> None:
        """Open the file."""
        self._file = (folder / "events.jsonl").open("wb")
        self._log = structlog.wrap_logger(
            structlog.BytesLogger(self._file),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(serializer=orjson.dumps),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(20),
        )

    def log_scalars(self, step: int, scalars: dict[str, float]) -> None:
        """Log one event."""
        self._log.bind(step=step).info("training", **scalars)

    def log_completions(self, step: int, rows: list[Completion]) -> None:
        """Log one event for each completion."""
        log = self._log.bind(step=step)
        for row in rows:
            log.info("completion", **row)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
