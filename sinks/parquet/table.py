"""The events of one type: its columns, the buffered events and the folder of parts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from logflume.protocols import Event, Position
from logflume.runs.info import RunInfo
from logflume.values.arrow import Columns, widen
from logflume.values.columnar import EventColumns, join
from logflume.values.snapshot import memory_bytes

from .folder import PartFolder, warn
from .staging import StagingFolder

__all__ = ["Pending", "TypeTable"]


_MANY_EVENTS = 250

_PIECE_EVENTS = 1_000

_CHUNK_BYTES = 8 * 2**20


class Pending:
    """The buffered events of one attempt, in order: Arrow tables, then the latest, unconverted.

    Args:
        columns: The columns of their event type.

    Attributes:
        rows: Number of buffered events.
    """

    def __init__(self, columns: Columns) -> None:
        self.rows = 0
        self._columns = columns
        self._tables: list[pa.Table] = []
        self._tables_bytes = 0
        self._latest: list[Sequence[Event]] = []
        self._latest_rows = 0
        self._latest_bytes = 0

    @property
    def memory_bytes(self) -> int:
        """The approximate memory use of the values."""
        return self._tables_bytes + self._latest_bytes

    def add(self, events: Sequence[Event]) -> None:
        """Buffer events."""
        self.rows += len(events)
        self._latest.append(events)
        self._latest_rows += len(events)
        # The size of a large batch is not needed: it is converted next anyway.
        if self._latest_rows < _MANY_EVENTS:
            self._latest_bytes += _size_bytes(events)

    def convert(self) -> None:
        """Convert the latest events to Arrow, if there are enough to make it worthwhile.

        With a few events per step, conversions are frequent and short, so no training waits for
        long.
        """
        if self._latest_rows >= _MANY_EVENTS or self._latest_bytes >= _CHUNK_BYTES:
            self._convert_all()

    def to_table(self) -> pa.Table:
        """Return all events as one table, with the columns known so far."""
        self._convert_all()
        schema = self._columns.schema
        return pa.concat_tables([widen(table, schema) for table in self._tables])

    def _convert_all(self) -> None:
        # In pieces, because Arrow holds the GIL while it converts a column.
        latest = join(self._latest)
        pieces = range(0, len(latest), _PIECE_EVENTS)
        tables = [self._columns.to_table(latest[i : i + _PIECE_EVENTS]) for i in pieces]
        self._tables += tables
        self._tables_bytes += sum(table.nbytes for table in tables)
        self._latest = []
        self._latest_rows = self._latest_bytes = 0


def _size_bytes(events: Sequence[Event]) -> int:
    """Return the approximate memory that the values of events take in Arrow."""
    groups = events.columns.values() if isinstance(events, EventColumns) else map(_values, events)
    return sum(8 * len(values) + memory_bytes(values) for values in groups)


def _values(event: Event) -> Collection[Any]:
    return event.values()


_MAX_SMALL_PARTS = 64
_TINY_BYTES = 2**19
"""Parts of less than half this size are tiny; they are merged up to this size."""


class TypeTable:
    """Buffers the events of one type and writes them as parts.

    Args:
        event_type: Name of the event type.
        folder: The folder of its parts.
        staging: The folder in which parts are written before readers see them.
        max_tiny: Number of tiny parts that are left alone.
    """

    def __init__(
        self, event_type: str, folder: Path, staging: StagingFolder, max_tiny: int
    ) -> None:
        self._max_tiny = max_tiny
        self._parts = PartFolder(folder, staging)
        self._columns = Columns(event_type, self._parts.columns, warn)
        self._pending: dict[int, Pending] = {}

    @property
    def rows(self) -> int:
        """Number of buffered events."""
        return sum(pending.rows for pending in self._pending.values())

    @property
    def memory_bytes(self) -> int:
        """The approximate memory use of the buffered events."""
        return sum(pending.memory_bytes for pending in self._pending.values())

    @property
    def missing_rows(self) -> int:
        """Events of parts that were there, and are missing or damaged now."""
        return self._parts.missing_rows

    def positions(self, run: RunInfo) -> Iterator[Position]:
        """Yield the positions of a run's events in the parts."""
        return self._parts.positions(run)

    def add(self, events: Sequence[Event], attempt: int) -> None:
        """Buffer events of this type and attempt."""
        pending = self._pending.get(attempt)
        if pending is None:
            pending = self._pending[attempt] = Pending(self._columns)
        pending.add(events)

    def convert(self) -> None:
        """Convert buffered events to Arrow, if there are enough to make it worthwhile."""
        for pending in self._pending.values():
            pending.convert()

    def write_parts(self) -> None:
        """Write the buffered events, one part per attempt.

        Raises:
            OSError: A part could not be written; its events stay buffered.
        """
        self._parts.check()
        for attempt, pending in list(self._pending.items()):
            self._parts.add(pending.to_table(), attempt)
            del self._pending[attempt]

    def tidy(self, more_than: int = _MAX_SMALL_PARTS) -> None:
        """Unify the schemas of the parts after a crash, and merge small parts if there are many.

        Args:
            more_than: Parts are only merged if more than this number are small.

        Raises:
            OSError: It failed; the parts hold the same events as before.
        """
        self._parts.unify(self._columns.schema)
        self._parts.compact(more_than)
        self._parts.compact(self._max_tiny, _TINY_BYTES)

    def finish(self) -> None:
        """Merge all small parts.

        Raises:
            OSError: It failed; the parts hold the same events as before.
        """
        self.tidy(more_than=1)
