"""A sink as another package may have one, from the docstrings alone: a table of SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from logflume.protocols import Event, Position, ScannedEvent
from logflume.runs.info import RunInfo
from logflume.values.event_checksum import event_checksum

__all__ = ["SqliteSink"]

_COLUMNS = "run text, rank integer, attempt integer, seq integer, body text"
_OF_RUN = "from events where run = ? and rank = ?"


class SqliteSink:
    """Writes a row for each event. It creates no folder, and lets SQLite's errors through."""

    output = "file"
    detachable = True

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, check_same_thread=False)
        with self._database:
            self._database.execute(f"create table if not exists events ({_COLUMNS})")

    def write(self, events: Sequence[Event]) -> None:
        rows = [(e["run"], e["rank"], e["attempt"], e["seq"], json.dumps(dict(e))) for e in events]
        with self._database:
            self._database.executemany("insert into events values (?, ?, ?, ?, ?)", rows)

    def flush(self) -> None:
        """Do nothing: every batch is committed."""

    def close(self) -> None:
        self._database.close()

    def held(self, run: RunInfo) -> set[Position]:
        rows = self._database.execute(f"select attempt, seq {_OF_RUN}", (run.run, run.rank))
        return set(rows)

    def scan(self, path: Path, run: RunInfo) -> Iterator[ScannedEvent]:
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        question = f"select attempt, seq, body {_OF_RUN}"
        for attempt, seq, body in database.execute(question, (run.run, run.rank)):
            yield ScannedEvent((attempt, seq), event_checksum(json.loads(body)))
