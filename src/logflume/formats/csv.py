"""Values as the cells of a CSV file: what readers take back, and no spreadsheet runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from logflume.formats.positions import PositionSet
from logflume.runs.info import RunInfo
from logflume.values.plain import json_text

__all__ = ["CELL", "column_cells", "find_positions", "object_cells", "quoted", "read_rows"]


CELL = re.compile(rb'("(?:[^"]|"")*"|[^,]*)(?:,|$)')
"""A cell of a row, and what ends it."""


def read_rows(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the rows: a line break inside of quotes doesn't end one. The last may be torn.

    The csv module refuses cells of more than 128 KB, and its limit is that of the whole process.
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
    """Return the cells of a column, one a value."""
    if numbers := _float_text(values):
        # `repr` writes small exponents differently.
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
    """Return the cells of JSON objects, from their fields by column.

    A field that is None is left out; an object without fields is an empty cell.
    """
    texts = [_float_text(values) for values in columns.values()]
    if all(texts):
        # The same text as below: what stands between the numbers is made once.
        names = [orjson.dumps(name).decode().replace('"', '""') for name in columns]
        between = ",".join(name.replace("%", "%%") + ":%s" for name in names)
        rows = zip(*(text.split(",") for text in texts), strict=True)
        return list(map(f'"{{{between}}}"'.__mod__, rows))
    objects = (
        {name: value for name, value in zip(columns, row, strict=True) if value is not None}
        for row in zip(*columns.values(), strict=True)
    )
    return [quoted(json_text(fields)) if fields else "" for fields in objects]


def quoted(cell: str) -> str:
    """Return a cell in quotes, if it needs them."""
    if '"' in cell:
        return '"' + cell.replace('"', '""') + '"'
    # The csv module of Python 3.11 leaves a lone \r without quotes, which ends the row for readers.
    return f'"{cell}"' if "," in cell or "\n" in cell or "\r" in cell else cell


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return _text_cell(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return quoted(json_text(value)) if isinstance(value, (list, dict)) else repr(value)


def _text_cell(text: str) -> str:
    """Return text that no spreadsheet runs (OWASP, "CSV injection"). A number is left alone.

    >>> _text_cell("=HYPERLINK(1)"), _text_cell("-1.5")
    ("'=HYPERLINK(1)", '-1.5')
    """
    if "\0" in text:
        text = text.replace("\0", "\\x00")  # many readers stop at a NUL
    if text and text[0] in _FORMULA_STARTS and not _NUMBER.fullmatch(text):
        text = "'" + text
    return quoted(text)


def _float_text(values: Sequence[Any]) -> str:
    """Return the values as JSON has them, with commas between; "" if one is no finite float.

    `orjson` finds the shortest text that is the same number in a sixth of the time of `repr`, and
    the text tells what the values are in a third of the time of a look at their types.
    """
    if type(values[0]) is not float:
        return ""
    try:
        text = orjson.dumps(values)[1:-1].decode()
    except TypeError:
        return ""  # an integer is too large
    # Each scalar has a dot at most, and has one only if it is a float, or a text; so has NaN none,
    # which is null.
    is_all = text.count(".") == len(values) and '"' not in text and "[" not in text
    return text if is_all else ""


_KEYS = ("run", "attempt", "rank", "seq")


def find_positions(path: Path, columns: Sequence[str], run: RunInfo) -> PositionSet | None:
    """Return the events of a run and rank that a file has; None if its columns can't tell.

    Args:
        path: The file.
        columns: Its header.
        run: Whose events.
    """
    if not set(_KEYS) <= set(columns):
        return None
    places = [columns.index(name) for name in _KEYS]
    found = PositionSet()
    wanted = [run.run.encode(), str(run.rank).encode()]
    if not path.exists():
        return found
    with path.open("rb") as file:
        for row in islice(read_rows(file), 1, None):
            cells = [match[1] for match in islice(CELL.finditer(row), max(places) + 1)]
            if len(cells) <= max(places):
                continue
            of_run, attempt, rank, seq = (cells[place] for place in places)
            if [of_run, rank] == wanted and attempt.isdigit() and seq.isdigit():
                found.add(int(attempt), int(seq))
    return found
