"""Check of a text log against the journal."""

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

_LOOKAHEAD_LINES = 200
"""Lines searched for the line of an event. After more unexpected lines than that, none matches."""


class LogCheck:
    """Compares the lines, in order, with those that the sink writes for the events.

    Args:
        sink_file: The text log.
        is_live: Whether a process is writing the run.
    """

    unknown = 0
    """Always 0: lines have no position, so events that are not in the journal can't be counted."""

    def __init__(self, sink_file: SinkFile, is_live: bool) -> None:
        self._sink_file = sink_file
        self._is_live = is_live
        self._expected = ExpectedOutput(sink_file)
        path = sink_file.path
        self._file: IO[bytes] | None = path.open("rb") if path.exists() else None
        self._lookahead: deque[bytes] = deque()
        self._missing = self._trailing = self._unexpected = 0
        self._refill()

    @property
    def is_readable(self) -> bool:
        """Whether every line matches an event of the journal."""
        return not self._unexpected

    def compare(self, events: Sequence[Event]) -> None:
        """Look up the lines of events of one attempt."""
        expected = [event for event in events if self._sink_file.accepts(event)]
        for line in io.BytesIO(self._expected.lines(expected)):
            self._match(line)

    def issues(self) -> list[Issue]:
        """Return what is wrong with the log."""
        self._expected.close()
        torn = 0
        while self._lookahead:
            is_torn = not self._lookahead.popleft().endswith(b"\n")
            torn += is_torn
            self._unexpected += not is_torn
            self._refill()
        if self._file is not None:
            self._file.close()
        if self._is_live:  # lines after the last match are still being written
            torn = self._trailing = self._unexpected = 0
        counts = {
            "lines of events of the journal are missing": self._missing + self._trailing,
            "lines that match no event of the journal": self._unexpected,
            "torn last line": torn,
        }
        label = self._sink_file.label
        return [Issue(label, what, count, FIX) for what, count in counts.items() if count]

    def _match(self, line: bytes) -> None:
        try:
            skipped = self._lookahead.index(line)
        except ValueError:
            self._trailing += 1
            return
        self._missing += self._trailing
        self._trailing = 0
        self._unexpected += skipped
        for _ in range(skipped + 1):
            self._lookahead.popleft()
        self._refill()

    def _refill(self) -> None:
        if self._file is not None:
            self._lookahead.extend(islice(self._file, _LOOKAHEAD_LINES - len(self._lookahead)))
