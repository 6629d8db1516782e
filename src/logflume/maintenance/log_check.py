"""A text log against the journal."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import IO

from logflume.maintenance.expected_output import ExpectedOutput
from logflume.maintenance.sink_files import SinkFile
from logflume.maintenance.verify import FIX, Issue
from logflume.protocols import Event

__all__ = ["LogCheck"]

_AHEAD = 200
"""How many lines may be strange before those after them count as strange, too."""


class LogCheck:
    """Every line is compared with those that the sink writes of the events, in order.

    Args:
        output: The file.
        is_live: Whether it is being written.
    """

    unknown = 0
    """Lines don't tell their events: that the journal lacks one can't be told."""

    def __init__(self, output: SinkFile, is_live: bool) -> None:
        self._output = output
        self._is_live = is_live
        self._oracle = ExpectedOutput(output)
        self._file: IO[bytes] | None = output.path.open("rb") if output.path.exists() else None
        self._ahead: deque[bytes] = deque()
        self._missing = self._trailing = self._strange = 0
        self._refill()

    @property
    def is_readable(self) -> bool:
        """Whether all its lines are of events of the journal."""
        return not self._strange

    def compare(self, events: Sequence[Event]) -> None:
        """Look for the lines of events."""
        wanted = [event for event in events if self._output.wants(event)]
        for line in io.BytesIO(self._oracle.lines(wanted)):
            self._meet(line)

    def issues(self) -> list[Issue]:
        """Return what is wrong."""
        self._oracle.close()
        torn = 0
        while self._ahead:
            is_torn = not self._ahead.popleft().endswith(b"\n")
            torn += is_torn
            self._strange += not is_torn
            self._refill()
        if self._file is not None:
            self._file.close()
        if self._is_live:  # what follows the last line that both have is being written
            torn = self._trailing = self._strange = 0
        counts = {
            "lines of the journal's events are missing": self._missing + self._trailing,
            "lines that are of no event of the journal": self._strange,
            "a torn last line": torn,
        }
        label = self._output.label
        return [Issue(label, what, count, FIX) for what, count in counts.items() if count]

    def _meet(self, line: bytes) -> None:
        try:
            skipped = self._ahead.index(line)
        except ValueError:
            self._trailing += 1
            return
        self._missing += self._trailing
        self._trailing = 0
        self._strange += skipped
        for _ in range(skipped + 1):
            self._ahead.popleft()
        self._refill()

    def _refill(self) -> None:
        if self._file is not None:
            self._ahead.extend(islice(self._file, _AHEAD - len(self._ahead)))
