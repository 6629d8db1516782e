"""Reading back which events a CSV file has."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from logflume.rebuilding.csv_rows import CELL, read_rows
from logflume.run import RunInfo

from ._positions import Positions

__all__ = ["find_positions"]

_KEYS = ("run", "attempt", "rank", "seq")


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
        for row in islice(read_rows(file), 1, None):
            cells = [match[1] for match in islice(CELL.finditer(row), max(places) + 1)]
            if len(cells) <= max(places):
                continue
            of_run, attempt, rank, seq = (cells[place] for place in places)
            if [of_run, rank] == wanted and attempt.isdigit() and seq.isdigit():
                found.add(int(attempt), int(seq))
    return found
