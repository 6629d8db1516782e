"""CSV files: cells that are safe to open in a spreadsheet, headers, and the rows read back.

A full file is renamed, from `x.csv` to `x.000001.csv` and so on. Each file has a header.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import IO, Any

import orjson

from logflume.formats.append import read_at
from logflume.formats.positions import PositionSet
from logflume.protocols import Event, FaultKind, ScanFault, ScannedEvent
from logflume.runs.files import rotated_files, rotated_name
from logflume.runs.info import RunInfo
from logflume.runs.safe_files import MAX_LINE_BYTES, bounded_lines, open_file
from logflume.values.kinds import KINDS, kind_of
from logflume.values.plain import json_text, nonfinite_name, read_object

__all__ = [
    "column_cells",
    "csv_files",
    "encode_rows",
    "end_of_rows",
    "find_positions",
    "header_line",
    "object_cells",
    "read_header",
    "row_checksum",
    "scan_rows",
]


_CELL = re.compile(rb'(?:^|,)("(?:[^"]|"")*"(?=,|$)|[^,]*)')
"""A cell of a row, with the start of the row or the comma before it."""


def csv_files(path: Path) -> list[Path]:
    """Return the files of an output in order: the rotated files, then the current one.

    A name with fewer digits is not that of a rotated file, but of somebody's copy.

    Raises:
        OSError: The folder can't be read.
    """
    if not path.parent.is_dir():
        return []
    numbers = rotated_files(path)
    rotated = [file for file, number in numbers.items() if file.name == rotated_name(path, number)]
    current = [path] if os.path.lexists(path) else []
    return [*sorted(rotated, key=numbers.__getitem__), *current]


def header_line(columns: Iterable[str]) -> bytes:
    """Return the first line of a file."""
    return encode_rows([[_quoted(name) for name in columns]])


def read_header(path: Path, columns: list[str]) -> list[str]:
    """Return the columns of an output: those of the current file, or of the last rotated one.

    Args:
        path: The file that is written.
        columns: The columns of an output without rows, or with a torn header.

    Raises:
        ValueError: The file was not written by logflume.
    """
    for file in csv_files(path):
        columns = _read_header(file, columns) or columns
    return columns


def _read_header(path: Path, columns: Sequence[str]) -> list[str] | None:
    """Return the columns of a file; None if it is empty or ends within the header."""
    with open(path, encoding="utf-8-sig", errors="replace", newline="", opener=open_file) as file:
        start = file.read(1 << 16)
    header = _parse_header(start)
    if header[-1:] == ["extras"]:
        return header
    if header_line(columns).decode().startswith(start):
        return None
    raise ValueError(
        f"{path} was not written by logflume (its last column is not 'extras'): "
        "choose another path or move the file"
    )


def _parse_header(text: str) -> list[str]:
    """Return the cells of the first row; none if that isn't CSV."""
    try:
        return next(csv.reader(io.StringIO(text, newline="")), [])
    except csv.Error:
        return []


def encode_rows(rows: Iterable[Sequence[str]]) -> bytes:
    """Return rows as lines, given their cells."""
    # Row by row: encoding a batch of long texts in one call would block other Python threads.
    return b"".join([(",".join(row) + "\n").encode() for row in rows])


def end_of_rows(file: int) -> int:
    """Return the offset after the last newline outside quotes; `file` is a descriptor."""
    end = position = 0
    in_quotes = False
    size = os.fstat(file).st_size
    while position < size:
        chunk = read_at(file, min(1 << 20, size - position), position)
        segments = chunk.split(b'"')
        offset = position
        for index, segment in enumerate(segments):
            if index:
                in_quotes = not in_quotes
                offset += 1
            if not in_quotes and (newline := segment.rfind(b"\n")) >= 0:
                end = offset + newline + 1
            offset += len(segment)
        position += len(chunk)
    return end


def _read_rows(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the rows of a file; a line break within quotes doesn't end a row.

    The last row may be torn. The `csv` module isn't used because it rejects cells of more than
    128 KB, and its limit applies to the whole process.
    """
    row: list[bytes] = []
    in_quotes = False
    size_bytes = 0
    for line in lines:
        row.append(line)
        size_bytes += len(line)
        in_quotes ^= bool(line.count(b'"') % 2)
        if not in_quotes or size_bytes > MAX_LINE_BYTES:
            yield b"".join(row)
            row.clear()
            in_quotes, size_bytes = False, 0
    if row:
        yield b"".join(row)


_FORMULA = re.compile(
    # What spreadsheets skip before a formula, or take for the end of a cell: spaces, separators,
    # control and invisible characters.
    r"[\s;,|\x00-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u2028-\u202f\u205f-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]*"
    r"[=+\-@\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b]"
    r"|[\t\r\n]"
)

_NUMBER = re.compile(r"[+-]?[\d.,]+([eE][+-]?\d+)?%?")


def column_cells(values: Sequence[Any]) -> list[str]:
    """Return the cells of a column, one for each value."""
    if numbers := _float_text(values):
        # For exponents and small numbers the text differs from that of `repr`.
        is_same = "e" not in numbers and "0.0000" not in numbers
        return numbers.split(",") if is_same else list(map(repr, values))
    kinds = set(map(type, values))
    if kinds == {int}:
        return list(map(repr, values))
    if kinds == {str}:
        is_constant = values.count(values[0]) == len(values)
        return (
            [_text_cell(values[0])] * len(values) if is_constant else list(map(_text_cell, values))
        )
    return [_cell(value) for value in values]


def object_cells(columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return the cells of a column of JSON objects, given the values of each field.

    Fields that are None are omitted. An object without fields is an empty cell.

    Args:
        columns: The values of each field, one for each row.
    """
    texts = [_float_text(values) for values in columns.values()]
    if all(texts):
        # Same text as below, but the template around the numbers is built only once.
        keys = [orjson.dumps(name).decode().replace('"', '""') for name in columns]
        template = ",".join(key.replace("%", "%%") + ":%s" for key in keys)
        rows = zip(*(text.split(",") for text in texts), strict=True)
        return list(map(f'"{{{template}}}"'.__mod__, rows))
    objects = (
        {name: value for name, value in zip(columns, row, strict=True) if value is not None}
        for row in zip(*columns.values(), strict=True)
    )
    return [_quoted(json_text(fields)) if fields else "" for fields in objects]


def _quoted(cell: str) -> str:
    """Return the cell, quoted if necessary."""
    if '"' in cell:
        return '"' + cell.replace('"', '""') + '"'
    # The csv module of Python 3.11 doesn't quote a lone \r, which ends the row for readers.
    return f'"{cell}"' if "," in cell or "\n" in cell or "\r" in cell else cell


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return _text_cell(value)
    if isinstance(value, dict):  # what a journal of another version may have
        return _quoted(json_text(value))
    return _quoted(KINDS[kind_of(value)].text(value))


def _text_cell(text: str) -> str:
    """Return text that spreadsheets don't run as a formula (OWASP, "CSV injection").

    Numbers are unchanged.

    >>> _text_cell("=HYPERLINK(1)"), _text_cell("-1.5")
    ("'=HYPERLINK(1)", '-1.5')
    """
    return _quoted(_safe_text(text))


def _safe_text(text: str) -> str:
    if "\0" in text:
        text = text.replace("\0", "\\x00")  # many readers stop at a NUL character
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text.strip()):
        text = "'" + text
    return text


def _float_text(values: Sequence[Any]) -> str:
    """Return the values as JSON numbers, separated by commas; "" unless all are finite floats.

    `orjson` formats a float as the shortest text that round-trips, in a sixth of the time of
    `repr`. Checking the types in that text takes a third of the time of checking each value.
    """
    if type(values[0]) is not float:
        return ""
    try:
        text = orjson.dumps(values)[1:-1].decode()
    except TypeError:
        return ""  # an integer out of range
    # A scalar has at most one dot, and only if it is a float or part of a text. NaN becomes null,
    # which has none.
    all_floats = text.count(".") == len(values) and '"' not in text and "[" not in text
    return text if all_floats else ""


_KEYS = ("run", "attempt", "rank", "seq")
_NO_CONTENT = frozenset({"attempt", "seq", "extras", "nonfinite"})
_NONFINITE_CELLS = {
    "nan": "NaN",
    "inf": "Infinity",
    "-inf": "'-Infinity",  # a number as its own cell, but a text if it has no column
    "'-inf": "'-Infinity",
}


def find_positions(path: Path, columns: list[str], run: RunInfo) -> PositionSet | None:
    """Return the positions of a writer's events in an output; None if its columns don't show them.

    Args:
        path: The file that is written.
        columns: Its header.
        run: The run and rank whose events are wanted.
    """
    if not set(_KEYS) <= set(columns):
        return None
    positions = PositionSet()
    for part in csv_files(path):
        header = _read_header(part, columns) or columns
        if not set(_KEYS) <= set(header):
            return None
        last = max(header.index(name) for name in _KEYS) + 1
        with open(part, "rb", opener=open_file) as file:
            for row in islice(_read_rows(bounded_lines(file, part)), 1, None):
                position = _find_position(_by_column(header[:last], _split(row)), run)
                if position is not None:
                    positions.add(*position)
    return positions


def scan_rows(
    path: Path, columns: Sequence[str], run: RunInfo
) -> Iterator[ScannedEvent | ScanFault]:
    """Yield the events of a writer in an output, with checksums (`row_checksum`), and faults.

    Args:
        path: The file that is written; it may be missing, and there may be rotated ones.
        columns: The header that the files should have; they may have a part of it.
        run: The run and rank.

    Raises:
        FileNotFoundError: A file was rotated during the scan.
    """
    paths = csv_files(path)
    with ExitStack() as stack:
        files = [stack.enter_context(open(part, "rb", opener=open_file)) for part in paths]
        if csv_files(path) != paths:
            raise FileNotFoundError(path)
        for part, file in zip(paths, files, strict=True):
            name = "" if part == path else f" in {part.name}"
            for found in _scan_file(part, file, columns, run):
                if isinstance(found, ScanFault):
                    found = found._replace(what=found.what + name)
                yield found


def _scan_file(
    path: Path, file: IO[bytes], columns: Sequence[str], run: RunInfo
) -> Iterator[ScannedEvent | ScanFault]:
    line = file.readline(MAX_LINE_BYTES)
    header = _parse_header(line.decode("utf-8", "replace"))
    # An earlier version may have declared fewer fields.
    if line == header_line(header) and header[-1:] == ["extras"] and set(header) <= set(columns):
        columns = header
    else:
        yield ScanFault("the header doesn't match the configuration", FaultKind.DAMAGE)
    if not set(_KEYS) <= set(columns):
        yield ScanFault("columns that identify the events are missing", FaultKind.DAMAGE)
        return
    for row in _read_rows(bounded_lines(file, path)):
        if not row.endswith(b"\n") or row.count(b'"') % 2:
            yield ScanFault("torn last row", FaultKind.TORN)
            continue
        values = list(_split(row))
        cells = _by_column(columns, values)
        position = _find_position(cells, run)
        if len(values) != len(columns):
            yield ScanFault("rows with more or fewer cells than the header", FaultKind.DAMAGE)
        elif position is None:
            yield ScanFault("rows that belong to no event of this run", FaultKind.FOREIGN)
        else:
            yield ScannedEvent(position, _checksum(cells, cells.get("extras")))


def row_checksum(event: Event) -> int:
    """Return the checksum of an event's row, which doesn't depend on the columns of the file."""
    return _checksum(event, event.get("extras"))


def _checksum(fields: Mapping[str, Any], extras: Any) -> int:
    """Return the checksum of values by column, or of their cells, and those of `extras`."""
    pairs = [(name, value) for name, value in fields.items() if name not in _NO_CONTENT]
    texts = [(name, _content(value)) for name, value in [*pairs, *_extras_pairs(extras)]]
    content = sorted(pair for pair in texts if pair[1])
    return zlib.crc32(repr(content).encode("utf-8", "backslashreplace"))


def _extras_pairs(text: Any) -> list[tuple[str, Any]]:
    """Return the fields in a cell of `extras`, including those of the event's own `extras`."""
    fields = read_object(text or None)
    own = fields.get("extras")
    if not isinstance(own, str) or own == text:
        return list(fields.items())
    del fields["extras"]
    return [*fields.items(), *_extras_pairs(own)]


def _content(value: Any) -> str:
    """Return the content of a cell with this value; of a cell, the content itself."""
    if value is None:
        return ""
    if isinstance(value, str):
        return _NONFINITE_CELLS.get(value, _safe_text(value))
    if isinstance(value, float) and not math.isfinite(value):
        return _safe_text(nonfinite_name(value))
    return KINDS[kind_of(value)].text(value)


def _split(row: bytes) -> Iterator[bytes]:
    """Yield the cells of a row, as they are in the file."""
    return (match[1] for match in _CELL.finditer(row.rstrip(b"\r\n")))


def _by_column(columns: Sequence[str], cells: Iterable[bytes]) -> dict[str, str]:
    """Return the values of a row's first cells, one for each column."""
    return {
        name: _unquoted(cell.decode("utf-8", "backslashreplace"))
        for name, cell in zip(columns, cells, strict=False)
    }


def _unquoted(cell: str) -> str:
    return cell[1:-1].replace('""', '"') if cell.startswith('"') else cell


def _find_position(cells: Mapping[str, str], run: RunInfo) -> tuple[int, int] | None:
    """Return the position of a row's event; None if it isn't of this run and rank."""
    run_id, attempt, rank, seq = (cells.get(name, "") for name in _KEYS)
    if (run_id, rank) != (_safe_text(run.run), str(run.rank)):
        return None
    numbers = [int(text) for text in (attempt, seq) if text.isdecimal() and len(text) < 20]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None
