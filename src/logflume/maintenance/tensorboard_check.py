"""TensorBoard's event files against the journal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from logflume.formats.tfevents import EventFile, find_event_files
from logflume.maintenance.differences import Comparison
from logflume.maintenance.expected_output import ExpectedOutput
from logflume.maintenance.sink_files import SinkFile
from logflume.maintenance.verify import FIX, Issue
from logflume.protocols import Event, Position

__all__ = ["TensorBoardCheck"]

_UNREAD = "bytes that can't be read, to its end"


class TensorBoardCheck:
    """The checksums of all records, and which events they are of: the same as the sink shows.

    What a record says is covered by its checksum.

    Args:
        output: The folder.
        is_live: Whether it is being written.
    """

    def __init__(self, output: SinkFile, is_live: bool) -> None:
        self._output = output
        self._comparison = Comparison(output.label, is_live)
        self._faults: list[Issue] = []
        self._oracle = ExpectedOutput(output)
        self._shown: dict[Path, EventFile] = {}
        for file in find_event_files(output.path):
            if file.is_of(output.run):
                self._read(file, is_live)

    @property
    def unknown(self) -> int:
        """How many records there are whose events the journal lacks."""
        return self._comparison.unknown

    @property
    def is_readable(self) -> bool:
        """Whether all of it could be read."""
        return not self._faults

    def compare(self, events: Sequence[Event]) -> None:
        """Look for the records of events."""
        self._oracle.write([event for event in events if self._output.wants(event)])
        shown = self._newly_shown()
        for event in events:
            is_wanted = (event["attempt"], event["seq"]) in shown
            self._comparison.meet(self._output.label, event, is_wanted, None)

    def issues(self) -> list[Issue]:
        """Return what is wrong."""
        self._oracle.close()
        return self._faults + self._comparison.issues()

    def _read(self, file: EventFile, is_live: bool) -> None:
        for attempt, seq in file.new_places():
            self._comparison.add(self._output.label, attempt, seq, 0)
        rest_bytes = file.unread_bytes()
        if rest_bytes and not is_live:
            name = f"{self._output.label}/{file.path.name}"
            self._faults.append(Issue(name, _UNREAD, rest_bytes, FIX))

    def _newly_shown(self) -> set[Position]:
        for file in find_event_files(self._oracle.path):
            self._shown.setdefault(file.path, file)
        return {place for file in self._shown.values() for place in file.new_places()}
