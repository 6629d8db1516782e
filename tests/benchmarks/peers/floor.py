"""The floor: what nobody who writes JSON from Python can go below."""

from __future__ import annotations

from pathlib import Path

import orjson

from tests.benchmarks.peers.protocol import Row

__all__ = ["Floor"]


class Floor:
    """`orjson.dumps` into a buffered file: no time stamp, no level, nothing safe from a crash."""

    def open(self, folder: Path) -> None:
        """Open the file."""
        self._file = (folder / "events.jsonl").open("wb")

    def step(self, step: int, scalars: dict[str, float]) -> None:
        """Write a line."""
        self._file.write(orjson.dumps({"event": "training", "step": step, **scalars}) + b"\n")

    def completions(self, step: int, rows: list[Row]) -> None:
        """Write a line for each."""
        for row in rows:
            self._file.write(orjson.dumps({"event": "completion", "step": step, **row}) + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
