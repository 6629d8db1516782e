"""The rows of a CSV file, as bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

__all__ = ["CELL", "read_rows"]

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
