"""The CSV sink: a file with a fixed header, for spreadsheets and quick inspection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from logflume.events.catalogue import CATALOGUE
from logflume.formats.append import AppendFile
from logflume.formats.csv import (
    column_cells,
    csv_files,
    encode_rows,
    end_of_rows,
    find_positions,
    header_line,
    object_cells,
    read_header,
    row_checksum,
    scan_rows,
)
from logflume.formats.positions import PositionSet
from logflume.formats.rotation import Rotation
from logflume.protocols import Event, ScanFault, ScannedEvent
from logflume.runs.info import RunInfo
from logflume.values.columnar import transpose
from logflume.values.declared import declared_columns

__all__ = ["CsvSink"]


class CsvSink:
    """Writes one row per event under a fixed header, so the file stays rectangular.

    The header is `columns` if given, else the reserved names and the declared fields of the types
    in `events`, such as `rewards/total` and `quality/correct`. The last column, `extras`, has all
    other fields as JSON. To give fields of your own a column, such as `rewards/correctness`, name
    them in `columns`: they aren't known when the header is written. An existing file keeps its
    header. Text that a spreadsheet would run as a formula gets an apostrophe in front; the exact
    text is in the journal.

    A file that has reached `rotate_bytes` becomes `<name>.<number>.csv`, and a new one with the
    same header follows. The pattern `<name>*.csv` reads all of them in DuckDB.

    Args:
        path: The file; its folder is created.
        columns: The header, without `extras`.
        events: The event types that the sink is configured to write; they determine the header.
        rotate_bytes: Size in bytes at which a new file is started.

    Raises:
        ValueError: The file exists, but was not written by this class; or `rotate_bytes` is not
            above 0.
    """

    detachable = True
    title = "CSV"
    output = "file"
    threaded = True

    def __init__(
        self,
        path: Path,
        *,
        columns: list[str] | None = None,
        events: list[str] | None = None,
        rotate_bytes: int = 256_000_000,
    ) -> None:
        if rotate_bytes <= 0:
            raise ValueError(f"rotate_bytes must be above 0, not {rotate_bytes}")
        self._path = path
        self._columns = read_header(path, _choose_columns(columns, events or []))
        self._known = {*self._columns, "nonfinite"}
        self._rotation = Rotation(path)
        header = header_line(self._columns)
        self._full_bytes = max(rotate_bytes, len(header) + 1)  # a file has at least one row
        self._file = AppendFile(path, find_end=end_of_rows, header=header)

    @property
    def loss(self) -> str | None:
        """What another process has removed of the file; None if nothing."""
        return self._file.loss

    def write(self, events: Sequence[Event]) -> None:
        """Append one row per event.

        Raises:
            OSError: The rows can't be written; the file is unchanged.
        """
        rows = encode_rows(zip(*self._cells(events), strict=True))
        if self._file.size >= self._full_bytes:
            self._file.close()
            self._rotation.rotate()
            self._file.reopen()
        self._file.append(rows)

    def held(self, run: RunInfo) -> PositionSet | None:
        """Return the positions of a run's events in the files; None if they lack these columns."""
        return find_positions(self._path, self._columns, run)

    def scan(self, path: Path, run: RunInfo) -> Iterator[ScannedEvent | ScanFault]:
        """Yield the rows of the files; see `logflume.protocols.ScannableSink`."""
        return scan_rows(path, self._columns, run)

    def own_files(self, path: Path, _run: RunInfo) -> list[Path]:
        """Return the files that were written at a path: the rotated files, and the path itself."""
        return csv_files(path)

    def expect(self, events: Sequence[Event]) -> Iterator[ScannedEvent]:
        """Yield a row for each event."""
        for event in events:
            yield ScannedEvent((event["attempt"], event["seq"]), row_checksum(event))

    def flush(self) -> None:
        """Check that the file is still there. A row can be read as soon as it is written."""
        self._file.check()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _cells(self, events: Sequence[Event]) -> list[list[str]]:
        """Return the cells column by column, which is faster than row by row."""
        present = dict(transpose(events))
        empty = [""] * len(events)
        columns = [
            column_cells(present[name]) if name in present else empty for name in self._columns
        ]
        # Sorted, because the order of the events' names depends on the batch.
        if overflow := {name: present[name] for name in sorted(present.keys() - self._known)}:
            columns[-1] = _extras_cells(overflow, present.get("extras"), columns[-1])
        return columns


def _extras_cells(
    overflow: dict[str, Sequence[Any]], extras: Sequence[Any] | None, extras_cells: list[str]
) -> list[str]:
    """Return the cells of the last column, for events with fields that have no column.

    Args:
        overflow: The values of these fields, by name.
        extras: The values of the field `extras`; None if no event has one.
        extras_cells: The cells of `extras`, for the events without any of these fields.
    """
    cells = object_cells(overflow)
    if extras is None:
        return cells
    merged_cells = object_cells({**overflow, "extras": [text or None for text in extras]})
    rows = zip(cells, merged_cells, extras_cells, strict=True)
    return [merged if cell else extras_cell for cell, merged, extras_cell in rows]


def _choose_columns(columns: list[str] | None, events: list[str]) -> list[str]:
    chosen = list(columns) if columns else list(declared_columns(""))
    for event_type in [] if columns else events:
        chosen += [*declared_columns(event_type), *_declared_names(event_type)]
    return [*(name for name in dict.fromkeys(chosen) if name != "extras"), "extras"]


def _declared_names(event_type: str) -> list[str]:
    """Return the names, not patterns, among the families of fields that a type declares."""
    declared = CATALOGUE.get(event_type)
    return [name for name in declared.families if "*" not in name] if declared else []
