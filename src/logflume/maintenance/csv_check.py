"""A CSV file against the journal."""

from __future__ import annotations

import csv
import io
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
    """Every row is compared, byte by byte, with what the sink writes of the event.

    Args:
        output: The file.
        is_live: Whether it is being written.
    """

    def __init__(self, output: SinkFile, is_live: bool) -> None:
        self._output = output
        self._is_live = is_live
        self._comparison = Comparison(output.label, is_live)
        self._places: list[int] = []
        self._faults: Counter[str] = Counter()
        self._oracle = ExpectedOutput(output, self._read())

    @property
    def unknown(self) -> int:
        """How many rows there are whose events the journal lacks."""
        return self._comparison.unknown

    @property
    def is_readable(self) -> bool:
        """Whether all of it could be read."""
        return not self._faults

    def compare(self, events: Sequence[Event]) -> None:
        """Look for the rows of events."""
        wanted = [event for event in events if self._output.wants(event)]
        rows = read_rows(io.BytesIO(self._oracle.lines(wanted)))
        says = {event["seq"]: row for event, row in zip(wanted, rows, strict=True)}
        for event in events:
            row = says.get(event["seq"])
            checksum = None if row is None else partial(self._checksum, row)
            self._comparison.meet(self._output.label, event, row is not None, checksum)

    def issues(self) -> list[Issue]:
        """Return what is wrong."""
        self._oracle.close()
        label = self._output.label
        faults = [Issue(label, what, count, FIX) for what, count in self._faults.items()]
        return faults + self._comparison.issues()

    def _read(self) -> bytes:
        """Read the file, and return the header that the sink goes on with."""
        headers = [header_of(self._output, attempt) for attempt in self._output.attempts]
        if not self._output.path.exists():
            return headers[-1]
        with self._output.path.open("rb") as file:
            header = file.readline()
            if header not in headers:
                self._faults["a header that the configuration doesn't give"] = 1
                header = headers[-1]
            self._add_rows(file, header)
        return header

    def _add_rows(self, file: IO[bytes], header: bytes) -> None:
        columns = next(csv.reader([header.decode()]))
        if not set(_KEYS) <= set(columns):
            self._faults["columns that don't tell the event of a row"] = 1
            return
        self._places = [columns.index(name) for name in _KEYS]
        for row in read_rows(file):
            if not row.endswith(b"\n") or row.count(b'"') % 2:
                self._faults["a torn last row"] += not self._is_live
                continue
            self._add(row)

    def _add(self, row: bytes) -> None:
        run = self._output.run
        of_run, rank, attempt, seq = (cell[1] if cell else b"" for cell in self._keys(row))
        is_ours = [of_run, rank] == [run.run.encode(), str(run.rank).encode()]
        if is_ours and attempt.isdigit() and seq.isdigit():
            label = self._output.label
            self._comparison.add(label, int(attempt), int(seq), self._checksum(row))
        elif not self._output.is_shared:
            self._faults["rows of no event of this run"] += 1

    def _keys(self, row: bytes) -> list[re.Match[bytes] | None]:
        """Return the cells that tell the event of a row; None where it has too few."""
        cells = list(islice(CELL.finditer(row), max(self._places, default=-1) + 1))
        return [cells[place] if place < len(cells) else None for place in self._places]

    def _checksum(self, row: bytes) -> int:
        """Return the checksum of a row without the cells of its attempt and `seq`."""
        spans = sorted(cell.span(1) for cell in self._keys(row)[2:] if cell)
        for start, end in reversed(spans):
            row = row[:start] + row[end:]
        return zlib.crc32(row)
