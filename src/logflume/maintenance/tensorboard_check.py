"""Check of TensorBoard event files against the journal."""

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

_UNREADABLE = "unreadable bytes at the end of the file"


class TensorBoardCheck:
    """Verifies the checksums of all records, and that they are of the events that the sink writes.

    A record has the position of the last event that it shows. The sink writes it when the step is
    over, so events are looked up then. The content of a record is not compared, because its
    checksum covers it. The constructor reads the event files.

    Args:
        sink_file: The folder of event files.
        is_live: Whether a process is writing the run.
    """

    def __init__(self, sink_file: SinkFile, is_live: bool) -> None:
        self._sink_file = sink_file
        self._comparison = Comparison(sink_file.label, is_live)
        self._faults: list[Issue] = []
        self._expected = ExpectedOutput(sink_file)
        self._expected_files: dict[Path, EventFile] = {}
        self._waiting: list[Event] = []
        for file in find_event_files(sink_file.path):
            if file.is_written_by(sink_file.run):
                self._read(file, is_live)

    @property
    def unknown(self) -> int:
        """Number of records whose events are not in the journal."""
        return self._comparison.unknown

    @property
    def is_readable(self) -> bool:
        """Whether all records could be read."""
        return not self._faults

    def compare(self, events: Sequence[Event]) -> None:
        """Look up the records of events of one attempt."""
        self._expected.write([event for event in events if self._sink_file.accepts(event)])
        self._waiting += events
        self._match_written()

    def issues(self) -> list[Issue]:
        """Return what is wrong with the event files."""
        self._expected.end()
        self._match_written()
        self._match(self._waiting, set())
        self._expected.close()
        return self._faults + self._comparison.issues()

    def _match_written(self) -> None:
        """Match the waiting events up to the last one that the sink has written."""
        if expected := self._new_expected_positions():
            last = max(expected)
            written = [e for e in self._waiting if (e["attempt"], e["seq"]) <= last]
            self._waiting = self._waiting[len(written) :]
            self._match(written, expected)

    def _match(self, events: Sequence[Event], expected: set[Position]) -> None:
        for event in events:
            is_expected = (event["attempt"], event["seq"]) in expected
            self._comparison.match(self._sink_file.label, event, is_expected, None)

    def _read(self, file: EventFile, is_live: bool) -> None:
        for attempt, seq in file.new_positions():
            self._comparison.add_row(self._sink_file.label, attempt, seq, 0)
        rest_bytes = file.unread_bytes()
        if rest_bytes and not is_live:
            name = f"{self._sink_file.label}/{file.path.name}"
            self._faults.append(Issue(name, _UNREADABLE, rest_bytes, FIX))

    def _new_expected_positions(self) -> set[Position]:
        for file in find_event_files(self._expected.path):
            self._expected_files.setdefault(file.path, file)
        files = self._expected_files.values()
        return {position for file in files for position in file.new_positions()}
