"""The baseline: the least that writing JSON from Python can cost."""

from __future__ import annotations

from pathlib import Path

import orjson

from tests.benchmarks.peers.protocol import Completion

__all__ = ["Baseline"]


class Baseline:
    """`orjson.dumps` into a buffered file: no timestamp, no level, no durability after a crash."""

    def open(self, folder: Path) -> None:
        """Open the file."""
        self._file = (folder / "events.jsonl").open("wb")

    def log_scalars(self, step: int, scalars: dict[str, float]) -> None:
        """Write one line."""
        self._file.write(orjson.dumps({"event": "training", "step": step, **scalars}) + b"\n")

    def log_completions(self, step: int, rows: list[Completion]) -> None:
        """Write one line for each completion."""
        for row in rows:
            self._file.write(orjson.dumps({"event": "completion", "step": step, **row}) + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
