"""An output row by row against the journal."""

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
    "they stay, for there is no other copy. To have the output as the journal is: logflume replay"
)


class Comparison:
    """First all rows of the output are added, then all events of the journal met.

    Args:
        label: The output, as messages name it.
        is_live: Whether it is being written: then the events after its last may come yet.
    """

    def __init__(self, label: str, is_live: bool) -> None:
        self._label = label
        self._is_live = is_live
        self._rows = RowChecksums()
        self._last: dict[tuple[str, int], int] = {}
        self._missing: Counter[str] = Counter()
        self._missing_say = array("I")
        self._twice: Counter[str] = Counter()
        self._differing: Counter[str] = Counter()

    @property
    def unknown(self) -> int:
        """How many rows there are whose events the journal lacks."""
        return len(self._rows) - self._misplaced

    def add(self, part: str, attempt: int, seq: int, checksum: int) -> None:
        """Add a row.

        Args:
            part: The part of the output that it is in, such as the folder of a type.
            attempt: The attempt of its event.
            seq: Its `seq`.
            checksum: Of what the row says beside its attempt and `seq`.
        """
        if not self._rows.add(attempt, seq, checksum):
            self._twice[part] += 1
        self._last[(part, attempt)] = max(seq, self._last.get((part, attempt), -1))

    def meet(
        self, part: str, event: Event, is_wanted: bool, checksum: Callable[[], int] | None
    ) -> None:
        """Look for the row of an event.

        Args:
            part: The part of the output where it should be.
            event: The event.
            is_wanted: Whether it belongs in the output.
            checksum: Returns the checksum that its row has to have, attempt and `seq` left out;
                None takes any.
        """
        attempt, seq = event["attempt"], event["seq"]
        found = self._rows.take(attempt, seq)
        if found is not None:
            self._differing[part] += checksum is not None and found != (checksum() or 1)
        elif is_wanted and not (self._is_live and seq > self._last.get((part, attempt), -1)):
            self._missing[part] += 1
            if checksum is not None and len(self._rows):
                self._missing_say.append(checksum() or 1)

    @cached_property
    def _misplaced(self) -> int:
        """How many of the rows left say what a missing event says: their position was changed."""
        return (Counter(self._missing_say) & Counter(self._rows.left())).total()

    def issues(self) -> list[Issue]:
        """Return what is wrong."""
        found = [
            Issue(part, what, count, FIX)
            for what, counts in (
                ("events of the journal are missing", self._missing),
                ("events are there twice", self._twice),
                ("events say something else than in the journal", self._differing),
            )
            for part, count in sorted(counts.items())
            if count
        ]
        if self._misplaced:
            what = "events with another one's attempt or seq"
            found.append(Issue(self._label, what, self._misplaced, FIX))
        if self.unknown:
            found.append(Issue(self._label, "events that the journal lacks", self.unknown, _KEPT))
        return found
