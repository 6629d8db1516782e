"""A CSV file with a fixed header, for spreadsheets and quick looks."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from logflume.protocols import Event
from logflume.run import RunInfo
from logflume.values.columns import declared_columns
from logflume.values.plain import json_text

from ._appendfile import AppendFile, read_at
from ._csv_rows import find_positions
from ._positions import Positions

__all__ = ["CsvSink"]

_ALWAYS = ("timestamp", "level", "logger", "event", "run", "attempt", "rank", "seq", "step", "mode")

_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?[\d.,]+([eE][+-]?\d+)?%?")
_NEEDS_QUOTES = re.compile(r'[,"\r\n]')
_SPECIAL = re.compile(rf"{_NEEDS_QUOTES.pattern}|\0|\A{_FORMULA.pattern}")


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
        self._known = frozenset(self._columns)
        self._file = AppendFile(path, find_end=_end_of_rows, header=_header_line(self._columns))

    def write(self, events: Sequence[Event]) -> None:
        """Append one row an event.

        Raises:
            OSError: They can't be written; the file is as it was before.
        """
        self._file.append(_encode([self._row(event) for event in events]))

    def held(self, run: RunInfo) -> Positions | None:
        """Return the events of a run that the file has; None if its columns can't tell."""
        return find_positions(self._path, self._columns, run)

    def flush(self) -> None:
        """Do nothing: a written row can be read at once."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _row(self, event: Event) -> list[str]:
        extras = {
            name: value
            for name, value in event.items()
            if name not in self._known and name != "nonfinite" and value is not None
        }
        row = [_cell(event.get(name)) for name in self._columns]
        if extras:
            kept = event.get("extras")
            row[-1] = _cell(json_text({**extras, **({"extras": kept} if kept else {})}))
        return row


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
    return _encode([[_quoted(name) for name in columns]])


def _encode(rows: list[list[str]]) -> bytes:
    return "".join([",".join(row) + "\n" for row in rows]).encode()


def _quoted(cell: str) -> str:
    # The csv module of Python 3.11 leaves a lone \r without quotes, which ends the row for readers.
    return '"' + cell.replace('"', '""') + '"' if _NEEDS_QUOTES.search(cell) else cell


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        # Few texts have anything special, and one look tells.
        return _quoted(_neutral(value)) if _SPECIAL.search(value) else value
    if isinstance(value, bool):
        return "true" if value else "false"
    return _quoted(json_text(value)) if isinstance(value, (list, dict)) else repr(value)


def _neutral(text: str) -> str:
    """Return text that no spreadsheet runs (OWASP, "CSV injection"). A number is left alone.

    >>> _neutral("=HYPERLINK(1)"), _neutral("-1.5")
    ("'=HYPERLINK(1)", '-1.5')
    """
    text = text.replace("\0", "\\x00")  # many readers stop at a NUL
    return "'" + text if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


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
