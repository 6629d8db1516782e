"""CSV cells and rows: values as text, safe to open in a spreadsheet, and the rows read back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from logflume.formats.positions import PositionSet
from logflume.runs.info import RunInfo
from logflume.values.kinds import KINDS, kind_of
from logflume.values.plain import json_text

__all__ = ["CELL", "column_cells", "find_positions", "object_cells", "quoted", "read_rows"]


CELL = re.compile(rb'("(?:[^"]|"")*"|[^,]*)(?:,|$)')
"""A cell of a row, with the comma or the end of the row after it."""


def read_rows(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the rows of a file; a line break within quotes doesn't end a row.

    The last row may be torn. The `csv` module isn't used because it rejects cells of more than
    128 KB, and its limit applies to the whole process.
    """
    row: list[bytes] = []
    in_quotes = False
    for line in lines:
        row.append(line)
        in_quotes ^= bool(line.count(b'"') % 2)
        if not in_quotes:
            yield b"".join(row)
            row.clear()
    if row:
        yield b"".join(row)


_FORMULA_STARTS = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")

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
    return [quoted(json_text(fields)) if fields else "" for fields in objects]


def quoted(cell: str) -> str:
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
        return quoted(json_text(value))
    return quoted(KINDS[kind_of(value)].text(value))


def _text_cell(text: str) -> str:
    """Return text that spreadsheets don't run as a formula (OWASP, "CSV injection").

    Numbers are unchanged.

    >>> _text_cell("=HYPERLINK(1)"), _text_cell("-1.5")
    ("'=HYPERLINK(1)", '-1.5')
    """
    if "\0" in text:
        text = text.replace("\0", "\\x00")  # many readers stop at a NUL character
    if text and text[0] in _FORMULA_STARTS and not _NUMBER.fullmatch(text):
        text = "'" + text
    return quoted(text)


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


def find_positions(path: Path, columns: Sequence[str], run: RunInfo) -> PositionSet | None:
    """Return the positions of a writer's events in a file; None if its columns don't identify them.

    Args:
        path: The file.
        columns: Its header.
        run: The run and rank whose events are wanted.
    """
    if not set(_KEYS) <= set(columns):
        return None
    indexes = [columns.index(name) for name in _KEYS]
    positions = PositionSet()
    wanted = [run.run.encode(), str(run.rank).encode()]
    if not path.exists():
        return positions
    with path.open("rb") as file:
        for row in islice(read_rows(file), 1, None):
            cells = [match[1] for match in islice(CELL.finditer(row), max(indexes) + 1)]
            if len(cells) <= max(indexes):
                continue
            run_id, attempt, rank, seq = (cells[index] for index in indexes)
            if [run_id, rank] == wanted and attempt.isdigit() and seq.isdigit():
                positions.add(int(attempt), int(seq))
    return positions
