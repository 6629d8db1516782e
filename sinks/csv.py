"""A CSV file with a fixed header, for spreadsheets and quick looks."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from logflume.formats.append import AppendFile, read_at
from logflume.formats.csv import column_cells, find_positions, object_cells, quoted
from logflume.formats.positions import PositionSet
from logflume.protocols import Event
from logflume.runs.info import RunInfo
from logflume.values.columnar import transpose
from logflume.values.kinds import declared_columns

__all__ = ["CsvSink"]

_ALWAYS = ("timestamp", "level", "logger", "event", "run", "attempt", "rank", "seq", "step", "mode")


class CsvSink:
    """Writes rows of one fixed header, so the file stays rectangular whatever is logged.

    The header is given by `columns`, else by the declarations of the types in `events`, else it is
    the reserved names. Fields without a column go to the last one, `extras`, as JSON. A file
    that exists is continued with the header it has. Text that a spreadsheet would run as a
    formula gets an apostrophe in front; the exact text is in the journal.

    Args:
        path: The file; its folder is made.
        columns: The header, without `extras`.
        events: The types to be written, as configured for the sink; they choose the header.

    Raises:
        ValueError: The file is there, but nothing that this class has written.
    """

    detachable = True
    threaded = True

    def __init__(
        self, path: Path, *, columns: list[str] | None = None, events: list[str] | None = None
    ) -> None:
        self._path = path
        self._columns = _choose_columns(columns, events or [])
        if path.exists():
            self._columns = _read_header(path, self._columns)
        self._known = {*self._columns, "nonfinite"}
        self._file = AppendFile(path, find_end=_end_of_rows, header=_header_line(self._columns))

    def write(self, events: Sequence[Event]) -> None:
        """Append one row an event.

        Raises:
            OSError: They can't be written; the file is as it was before.
        """
        self._file.append(_encode(zip(*self._cells(events), strict=True)))

    def held(self, run: RunInfo) -> PositionSet | None:
        """Return the events of a run that the file has; None if its columns can't tell."""
        return find_positions(self._path, self._columns, run)

    def flush(self) -> None:
        """Do nothing: a written row can be read at once."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _cells(self, events: Sequence[Event]) -> list[list[str]]:
        """Return the cells by column, which is less work than row by row."""
        present = dict(transpose(events))
        empty = [""] * len(events)
        columns = [
            column_cells(present[name]) if name in present else empty for name in self._columns
        ]
        if beyond := {name: v for name, v in present.items() if name not in self._known}:
            columns[-1] = _extras_cells(beyond, present.get("extras"), columns[-1])
        return columns


def _extras_cells(
    beyond: dict[str, Sequence[Any]], own: Sequence[Any] | None, own_cells: list[str]
) -> list[str]:
    """Return the last column of events some of which have fields beyond the others.

    Args:
        beyond: Those fields.
        own: What the events have in their field `extras`, if any has one.
        own_cells: The cells of that, for events that have nothing beyond it.
    """
    cells = object_cells(beyond)
    if own is None:
        return cells
    together = object_cells({**beyond, "extras": [text or None for text in own]})
    both = zip(cells, together, own_cells, strict=True)
    return [whole if cell else own_cell for cell, whole, own_cell in both]


def _choose_columns(columns: list[str] | None, events: list[str]) -> list[str]:
    chosen = list(columns) if columns else [*_ALWAYS]
    for event_type in [] if columns else events:
        chosen += [name for name in declared_columns(event_type) if name not in chosen]
    return [*(name for name in dict.fromkeys(chosen) if name != "extras"), "extras"]


def _read_header(path: Path, columns: list[str]) -> list[str]:
    """Return the header of a file; `columns` where it is empty or was torn within the header."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        start = file.read(1 << 16)
    header = next(csv.reader(io.StringIO(start)), [])
    if header[-1:] == ["extras"]:
        return header
    if _header_line(columns).decode().startswith(start):
        return columns
    raise ValueError(
        f"{path} was not written by logflume (its last column is not 'extras'): "
        "choose another path, or move that file away"
    )


def _header_line(columns: list[str]) -> bytes:
    return _encode([[quoted(name) for name in columns]])


def _encode(rows: Iterable[Sequence[str]]) -> bytes:
    # Row by row: encoded in one piece, a batch of long texts would hold up Python's other threads.
    return b"".join([(",".join(row) + "\n").encode() for row in rows])


def _end_of_rows(file: int) -> int:
    """Return the offset after the last newline that stands outside of quotes."""
    end = position = 0
    in_quotes = False
    size = os.fstat(file).st_size
    while position < size:
        chunk = read_at(file, min(1 << 20, size - position), position)
        pieces = chunk.split(b'"')
        offset = position
        for index, piece in enumerate(pieces):
            if index:
                in_quotes = not in_quotes
                offset += 1
            if not in_quotes and (newline := piece.rfind(b"\n")) >= 0:
                end = offset + newline + 1
            offset += len(piece)
        position += len(chunk)
    return end
