"""One type of event: its columns, the rows that wait, and its folder of parts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

import pyarrow as pa

from logflume.protocols import Event

from ._pq_columns import Columns
from ._pq_folder import PartFolder
from ._pq_pending import Pending
from ._pq_workplace import Workplace

__all__ = ["TypeTable"]

_CHUNK_EVENTS = 1_000
_MAX_SMALL_PARTS = 64


class TypeTable:
    """Takes the events of one type and writes them as parts.

    Args:
        event_type: Name of the type.
        folder: Where its parts are.
        work: Where parts are made.
    """

    def __init__(self, event_type: str, folder: Path, work: Workplace) -> None:
        self._parts = PartFolder(folder, work)
        self._columns = Columns(event_type, self._parts.columns)
        self._pending: dict[int, Pending] = {}

    @property
    def rows(self) -> int:
        """How many events wait."""
        return sum(pending.rows for pending in self._pending.values())

    @property
    def memory_bytes(self) -> int:
        """The memory that they take."""
        return sum(pending.memory_bytes for pending in self._pending.values())

    def convert(self, events: Sequence[Event], attempt: int) -> list[tuple[int, pa.Table]]:
        """Return events as Arrow tables, each with the attempt it is of. None of them waits yet.

        Args:
            events: Events of this type.
            attempt: The attempt of an event that doesn't tell its own.
        """
        return [
            (own, self._columns.to_table(piece))
            for own, run in groupby(events, partial(_attempt_of, default=attempt))
            for piece in _pieces(list(run))
        ]

    def take(self, converted: Sequence[tuple[int, pa.Table]]) -> None:
        """Let what `convert` returned wait."""
        for attempt, table in converted:
            self._pending.setdefault(attempt, Pending()).add(table)

    def write_parts(self) -> None:
        """Write what waits, one part for each attempt.

        Raises:
            OSError: It failed. What was not written waits on.
        """
        for attempt, pending in list(self._pending.items()):
            self._parts.add(pending.to_table(self._columns.schema), attempt)
            del self._pending[attempt]

    def tidy(self) -> None:
        """Repair what a crash left, and put small parts together if there are many.

        Raises:
            OSError: It failed. No row is lost.
        """
        self._parts.unify(self._columns.schema)
        self._parts.compact(more_than=_MAX_SMALL_PARTS)

    def finish(self) -> None:
        """Write what waits and put all small parts together.

        Raises:
            OSError: It failed. No row that was written is lost.
        """
        self.write_parts()
        self._parts.unify(self._columns.schema)
        self._parts.compact(more_than=1)


def _attempt_of(event: Event, default: int) -> int:
    attempt = event.get("attempt")
    return attempt if isinstance(attempt, int) else default


def _pieces(events: list[Event]) -> list[list[Event]]:
    # Arrow holds the interpreter's lock while it converts a column: not for long.
    return [events[i : i + _CHUNK_EVENTS] for i in range(0, len(events), _CHUNK_EVENTS)]
