"""Check of a CSV file against the journal."""

from __future__ import annotations

import csv
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import IO

from logflume.formats.csv import CELL, read_rows
from logflume.maintenance.differences import Comparison
from logflume.maintenance.expected_output import ExpectedOutput, header_of
from logflume.maintenance.sink_files import SinkFile
from logflume.maintenance.verify import FIX, Issue
from logflume.protocols import Event

__all__ = ["CsvCheck"]

_KEYS = ("run", "rank", "attempt", "seq")


class CsvCheck:
    """Compares every row with the row that the sink writes for the event.

    They have to be equal byte by byte, except that the order of names in the cell `extras` doesn't
    matter: files of earlier versions have the order of the batch that a row was written with.

    The constructor reads the file.

    Args:
        sink_file: The CSV file.
        is_live: Whether a process is writing the run.
    """

    def __init__(self, sink_file: SinkFile, is_live: bool) -> None:
        self._sink_file = sink_file
        self._is_live = is_live
        self._comparison = Comparison(sink_file.label, is_live)
        self._key_indexes: list[int] = []
        self._last_index = -1
        self._faults: Counter[str] = Counter()
        self._expected = ExpectedOutput(sink_file, self._read())

    @property
    def unknown(self) -> int:
        """Number of rows whose events are not in the journal."""
        return self._comparison.unknown

    @property
    def is_readable(self) -> bool:
        """Whether the whole file could be read."""
        return not self._faults

    def compare(self, events: Sequence[Event]) -> None:
        """Look up the rows of events of one attempt."""
        expected = [event for event in events if self._sink_file.accepts(event)]
        rows = read_rows(io.BytesIO(self._expected.lines(expected)))
        row_by_seq = {event["seq"]: row for event, row in zip(expected, rows, strict=True)}
        for event in events:
            row = row_by_seq.get(event["seq"])
            checksum = None if row is None else partial(self._checksum, row)
            self._comparison.match(self._sink_file.label, event, row is not None, checksum)

    def issues(self) -> list[Issue]:
        """Return what is wrong with the file."""
        self._expected.close()
        label = self._sink_file.label
        faults = [Issue(label, what, count, FIX) for what, count in self._faults.items()]
        return faults + self._comparison.issues()

    def _read(self) -> bytes:
        """Read the file, and return the header of the rows that the sink appends."""
        headers = [header_of(self._sink_file, attempt) for attempt in self._sink_file.attempts]
        if not self._sink_file.path.exists():
            return headers[-1]
        with self._sink_file.path.open("rb") as file:
            header = file.readline()
            if header not in headers:
                self._faults["the header doesn't match the configuration"] = 1
                header = headers[-1]
            self._add_rows(file, header)
        return header

    def _add_rows(self, file: IO[bytes], header: bytes) -> None:
        columns = next(csv.reader([header.decode()]))
        self._last_index = len(columns) - 1
        if not set(_KEYS) <= set(columns):
            self._faults["columns that identify the events are missing"] = 1
            return
        self._key_indexes = [columns.index(name) for name in _KEYS]
        for row in read_rows(file):
            if not row.endswith(b"\n") or row.count(b'"') % 2:
                self._faults["torn last row"] += not self._is_live
                continue
            self._add(row)

    def _add(self, row: bytes) -> None:
        run = self._sink_file.run
        run_id, rank, attempt, seq = (cell[1] if cell else b"" for cell in self._keys(row))
        is_of_run = [run_id, rank] == [run.run.encode(), str(run.rank).encode()]
        if is_of_run and attempt.isdigit() and seq.isdigit():
            label = self._sink_file.label
            self._comparison.add_row(label, int(attempt), int(seq), self._checksum(row))
        elif not self._sink_file.is_shared:
            self._faults["rows that belong to no event of this run"] += 1

    def _keys(self, row: bytes) -> list[re.Match[bytes] | None]:
        """Return the cells that identify the event of a row; None for cells that are missing."""
        cells = list(islice(CELL.finditer(row), max(self._key_indexes, default=-1) + 1))
        return [cells[index] if index < len(cells) else None for index in self._key_indexes]

    def _checksum(self, row: bytes) -> int:
        """Return the checksum of a row without the cells of its position."""
        row = self._with_sorted_extras(row)
        spans = sorted(cell.span(1) for cell in self._keys(row)[2:] if cell)
        for start, end in reversed(spans):
            row = row[:start] + row[end:]
        return zlib.crc32(row)

    def _with_sorted_extras(self, row: bytes) -> bytes:
        """Return the row with the names in its last cell, a JSON object, in sorted order."""
        if not row.endswith(b'}"\n'):
            return row
        cell = next(islice(CELL.finditer(row), self._last_index, None), None)
        if cell is None:
            return row
        start, end = cell.span(1)
        try:
            extras = json.loads(row[start + 1 : end - 1].replace(b'""', b'"'))
        except ValueError:
            return row
        return row[:start] + json.dumps(extras, sort_keys=True).encode() + row[end:]
