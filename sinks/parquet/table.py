"""One type of event: its columns, what waits, and its folder of parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from logflume.protocols import Event, Position
from logflume.runs.info import RunInfo
from logflume.values.arrow import Columns, widen

from .folder import PartFolder, warn
from .staging import StagingFolder

__all__ = ["Pending", "TypeTable"]


_MANY_EVENTS = 250

_PIECE_EVENTS = 1_000

_CHUNK_BYTES = 8 * 2**20


class Pending:
    """Events of one attempt, in the order they came: Arrow tables, and the latest as they are.

    Args:
        columns: The columns of their type.

    Attributes:
        rows: How many events wait.
    """

    def __init__(self, columns: Columns) -> None:
        self.rows = 0
        self._columns = columns
        self._tables: list[pa.Table] = []
        self._tables_bytes = 0
        self._latest: list[Event] = []
        self._latest_bytes = 0

    @property
    def memory_bytes(self) -> int:
        """The memory of the values, about."""
        return self._tables_bytes + self._latest_bytes

    def take(self, events: Sequence[Event]) -> None:
        """Let events wait."""
        self.rows += len(events)
        self._latest += events
        # The size of many doesn't matter: they are converted next, whatever it is.
        if len(self._latest) < _MANY_EVENTS:
            self._latest_bytes += sum(map(_size_bytes, events))

    def convert(self) -> None:
        """Turn the latest events into Arrow, if there are many: few would not be worth it.

        Where a step logs a few events, this is often, so that no training waits for long.
        """
        if len(self._latest) >= _MANY_EVENTS or self._latest_bytes >= _CHUNK_BYTES:
            self._convert_all()

    def to_table(self) -> pa.Table:
        """Return all events, with the columns known by now."""
        self._convert_all()
        schema = self._columns.schema
        return pa.concat_tables([widen(table, schema) for table in self._tables])

    def _convert_all(self) -> None:
        # In pieces, for Arrow holds the interpreter's lock while it converts a column.
        pieces = range(0, len(self._latest), _PIECE_EVENTS)
        tables = [self._columns.to_table(self._latest[i : i + _PIECE_EVENTS]) for i in pieces]
        self._tables += tables
        self._tables_bytes += sum(table.nbytes for table in tables)
        self._latest = []
        self._latest_bytes = 0


def _size_bytes(event: Event) -> int:
    """Return about how much memory the values of an event take in Arrow."""
    size = 8 * len(event)
    for value in event.values():
        if type(value) is str:
            size += len(value)
        elif type(value) is list:
            size += sum(len(item) if type(item) is str else 8 for item in value)
    return size


_MAX_SMALL_PARTS = 64


class TypeTable:
    """Takes the events of one type and writes them as parts.

    Args:
        event_type: Name of the type.
        folder: Where its parts are.
        work: Where parts are made.
    """

    def __init__(self, event_type: str, folder: Path, work: StagingFolder) -> None:
        self._parts = PartFolder(folder, work)
        self._columns = Columns(event_type, self._parts.columns, warn)
        self._pending: dict[int, Pending] = {}

    @property
    def rows(self) -> int:
        """How many events wait."""
        return sum(pending.rows for pending in self._pending.values())

    @property
    def memory_bytes(self) -> int:
        """The memory that they take, about."""
        return sum(pending.memory_bytes for pending in self._pending.values())

    def positions(self, run: RunInfo) -> Iterator[Position]:
        """Yield the attempt and `seq` of the events of a run that its parts have."""
        return self._parts.positions(run)

    def take(self, events: Sequence[Event], attempt: int) -> None:
        """Let events of this type and attempt wait."""
        pending = self._pending.get(attempt)
        if pending is None:
            pending = self._pending[attempt] = Pending(self._columns)
        pending.take(events)

    def convert(self) -> None:
        """Turn what waits into Arrow as soon as there is much of it."""
        for pending in self._pending.values():
            pending.convert()

    def write_parts(self) -> None:
        """Write what waits, one part for each attempt.

        Raises:
            OSError: It failed. What was not written waits on.
        """
        for attempt, pending in list(self._pending.items()):
            self._parts.add(pending.to_table(), attempt)
            del self._pending[attempt]

    def tidy(self, more_than: int = _MAX_SMALL_PARTS) -> None:
        """Repair what a crash left, and put small parts together if there are many.

        Args:
            more_than: How many small parts may stay.

        Raises:
            OSError: It failed. No row is lost.
        """
        self._parts.unify(self._columns.schema)
        self._parts.compact(more_than)

    def finish(self) -> None:
        """Put all small parts together.

        Raises:
            OSError: It failed. No row is lost.
        """
        self.tidy(more_than=1)
