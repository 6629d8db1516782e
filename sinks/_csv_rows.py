"""Reading back which events a CSV file has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from logflume.run import RunInfo

from ._positions import Positions

__all__ = ["find_positions"]

_KEYS = ("run", "attempt", "rank", "seq")
_CELL = re.compile(rb'("(?:[^"]|"")*"|[^,]*)(?:,|$)')


def find_positions(path: Path, columns: Sequence[str], run: RunInfo) -> Positions | None:
    """Return the events of a run and rank that a file has; None if its columns can't tell.

    Args:
        path: The file.
        columns: Its header.
        run: Whose events.
    """
    if not set(_KEYS) <= set(columns):
        return None
    places = [columns.index(name) for name in _KEYS]
    found = Positions()
    wanted = [run.run.encode(), str(run.rank).encode()]
    if not path.exists():
        return found
    with path.open("rb") as file:
        for row in islice(_rows(file), 1, None):
            cells = [match[1] for match in islice(_CELL.finditer(row), max(places) + 1)]
            if len(cells) <= max(places):
                continue
            of_run, attempt, rank, seq = (cells[place] for place in places)
            if [of_run, rank] == wanted and attempt.isdigit() and seq.isdigit():
                found.add(int(attempt), int(seq))
    return found


def _rows(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the rows: a line break inside of quotes doesn't end one.

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
