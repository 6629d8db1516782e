"""structlog as its manual recommends for speed: orjson, bytes, a file."""

from __future__ import annotations

from pathlib import Path

import orjson
import structlog

from tests.benchmarks.peers.protocol import Row

__all__ = ["StructlogJson"]


class StructlogJson:
    """Level, ISO time and JSON, written and flushed within the call."""

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

    def step(self, step: int, scalars: dict[str, float]) -> None:
        """Log one event."""
        self._log.bind(step=step).info("training", **scalars)

    def completions(self, step: int, rows: list[Row]) -> None:
        """Log an event for each."""
        log = self._log.bind(step=step)
        for row in rows:
            log.info("completion", **row)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
