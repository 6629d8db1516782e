"""One type of event: its columns, what waits, and its folder of parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from logflume.protocols import Event, Position
from logflume.run import RunInfo
from logflume.values.arrow_columns import Columns

from ._pq_folder import PartFolder
from ._pq_notice import warn
from ._pq_pending import Pending
from ._pq_workplace import Workplace

__all__ = ["TypeTable"]

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
