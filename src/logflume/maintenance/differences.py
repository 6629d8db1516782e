"""Comparison of a sink file with the journal, event by event."""

from __future__ import annotations

from array import array
from collections import Counter
from functools import cached_property

from logflume.formats.positions import RowChecksums
from logflume.maintenance.verify import FIX, Issue
from logflume.protocols import Event, ScannedEvent

__all__ = ["Comparison"]

_KEPT = (
    "kept, because there is no other copy. "
    "To rebuild the sink file from the journal alone: logflume replay"
)


class Comparison:
    """Compares the events in a sink file with those that it should have according to the journal.

    Pass everything in the sink file to `add` first, then all events to `match`.

    Args:
        label: Name of the sink file in messages.
        is_live: Whether a process is writing the run. If so, events after the last one are not
            missing, but not written yet.
    """

    def __init__(self, label: str, is_live: bool) -> None:
        self._label = label
        self._is_live = is_live
        self._found = RowChecksums()
        self._last: dict[tuple[str, int], int] = {}
        self._missing: Counter[str] = Counter()
        self._missing_checksums = array("I")
        self._duplicates: Counter[str] = Counter()
        self._differing: Counter[str] = Counter()
        self._surplus = 0  # events without a position, compared with those expected

    @property
    def unknown(self) -> int:
        """Number of events in the sink file that are not in the journal."""
        return len(self._found) - self._misplaced

    @property
    def surplus(self) -> int:
        """Number of events without a position beyond those expected."""
        return 0 if self._is_live else max(0, self._surplus)

    def add(self, scanned: ScannedEvent) -> None:
        """Add an event of the sink file."""
        if scanned.position is None:
            self._surplus += 1
            return
        attempt, seq = scanned.position
        location = scanned.location
        if not self._found.add(attempt, seq, scanned.checksum or 1):
            self._duplicates[location] += 1
        self._last[(location, attempt)] = max(seq, self._last.get((location, attempt), -1))

    def match(self, event: Event, expected: ScannedEvent | None) -> None:
        """Look up an event of the journal.

        Args:
            event: The event.
            expected: The event as the sink file should have it; None: not at all, or without a
                position.
        """
        attempt, seq = event["attempt"], event["seq"]
        actual = self._found.pop(attempt, seq)
        if expected is None:
            return
        checksum = None if expected.checksum is None else expected.checksum or 1
        location = expected.location
        if actual is not None:
            self._differing[location] += checksum is not None and actual != checksum
        elif not (self._is_live and seq > self._last.get((location, attempt), -1)):
            self._missing[location] += 1
            if checksum is not None and len(self._found):
                self._missing_checksums.append(checksum)

    def expect_unplaced(self, count: int) -> None:
        """Expect events without a position."""
        self._surplus -= count

    @cached_property
    def _misplaced(self) -> int:
        """Number of remaining events with the content of a missing one: their position changed."""
        return (Counter(self._missing_checksums) & Counter(self._found.remaining())).total()

    def issues(self) -> list[Issue]:
        """Return what is wrong with the sink file."""
        issues = [
            Issue(self.label_of(location), what, count, FIX)
            for what, counts in (
                ("events of the journal are missing", self._missing),
                ("duplicate events", self._duplicates),
                ("events differ from the journal", self._differing),
            )
            for location, count in sorted(counts.items())
            if count
        ]
        others = {
            "events with the attempt or seq of another event": (self._misplaced, FIX),
            "events that are not in the journal": (self.unknown, _KEPT),
            "lines that match no event of the journal": (self.surplus, FIX),
            "lines of events of the journal are missing": (self._shortage, FIX),
        }
        issues += [Issue(self._label, what, n, do) for what, (n, do) in others.items() if n]
        return issues

    def label_of(self, location: str) -> str:
        """Return the name of a location in messages."""
        return f"{self._label}/{location}" if location else self._label

    @property
    def _shortage(self) -> int:
        return 0 if self._is_live else max(0, -self._surplus)
