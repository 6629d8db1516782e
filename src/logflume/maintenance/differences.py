"""Comparison of a sink file with the journal, row by row."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from functools import cached_property

from logflume.formats.positions import RowChecksums
from logflume.maintenance.verify import FIX, Issue
from logflume.protocols import Event

__all__ = ["Comparison"]

_KEPT = (
    "kept, because there is no other copy. "
    "To rebuild the sink file from the journal alone: logflume replay"
)


class Comparison:
    """Compares the rows of a sink file with the events of the journal.

    First all rows are added with `add_row`, then all events are passed to `match`.

    A location is the file or folder that an issue names, such as the Parquet folder of an event
    type.

    Args:
        label: Name of the sink file in messages.
        is_live: Whether a process is writing the run: then events after the last row are not
            missing, only not written yet.
    """

    def __init__(self, label: str, is_live: bool) -> None:
        self._label = label
        self._is_live = is_live
        self._rows = RowChecksums()
        self._last: dict[tuple[str, int], int] = {}
        self._missing: Counter[str] = Counter()
        self._missing_checksums = array("I")
        self._duplicates: Counter[str] = Counter()
        self._differing: Counter[str] = Counter()

    @property
    def unknown(self) -> int:
        """Number of rows whose events are not in the journal."""
        return len(self._rows) - self._misplaced

    def add_row(self, location: str, attempt: int, seq: int, checksum: int) -> None:
        """Add a row of the sink file.

        Args:
            location: Where the row is.
            attempt: The attempt of its event.
            seq: The `seq` of its event.
            checksum: Checksum of its content, without attempt and `seq`.
        """
        if not self._rows.add(attempt, seq, checksum):
            self._duplicates[location] += 1
        self._last[(location, attempt)] = max(seq, self._last.get((location, attempt), -1))

    def match(
        self, location: str, event: Event, is_expected: bool, checksum: Callable[[], int] | None
    ) -> None:
        """Look up the row of an event.

        Args:
            location: Where the row should be.
            event: The event.
            is_expected: Whether the event belongs in the sink file.
            checksum: Returns the expected checksum of the row, without attempt and `seq`; None
                accepts any.
        """
        attempt, seq = event["attempt"], event["seq"]
        actual = self._rows.pop(attempt, seq)
        if actual is not None:
            self._differing[location] += checksum is not None and actual != (checksum() or 1)
        elif is_expected and not (self._is_live and seq > self._last.get((location, attempt), -1)):
            self._missing[location] += 1
            if checksum is not None and len(self._rows):
                self._missing_checksums.append(checksum() or 1)

    @cached_property
    def _misplaced(self) -> int:
        """Number of remaining rows with the content of a missing event: their position changed."""
        return (Counter(self._missing_checksums) & Counter(self._rows.remaining())).total()

    def issues(self) -> list[Issue]:
        """Return what is wrong with the sink file."""
        issues = [
            Issue(location, what, count, FIX)
            for what, counts in (
                ("events of the journal are missing", self._missing),
                ("duplicate events", self._duplicates),
                ("events differ from the journal", self._differing),
            )
            for location, count in sorted(counts.items())
            if count
        ]
        if self._misplaced:
            what = "events with the attempt or seq of another event"
            issues.append(Issue(self._label, what, self._misplaced, FIX))
        if self.unknown:
            what = "events that are not in the journal"
            issues.append(Issue(self._label, what, self.unknown, _KEPT))
        return issues
