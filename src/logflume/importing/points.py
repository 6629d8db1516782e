"""Points of curves, put together by step.

Event files have one number a record, and all of one curve may come before the next begins. So the
points wait in a temporary database on disk, which sorts more of them than memory holds.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Point", "Points"]

_WAITING = 10_000


class Point(NamedTuple):
    """One value of a curve.

    Attributes:
        folder: Number of the folder that its file is in.
        step: The step.
        time_s: When it was written, in seconds since 1970.
        tag: Name of the curve.
        value: A number, or a text.
    """

    folder: int
    step: int
    time_s: float
    tag: str
    value: float | int | str


class Points:
    """Holds points on disk, in a file that nobody sees and the system removes."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.execute("pragma journal_mode=off")
        self._database.execute("create table points (folder, step, time_s, tag, value)")
        self._tags: dict[str, int] = {}
        self._waiting: list[tuple[int, int, float, int, float | int | str | None]] = []

    def add(self, point: Point) -> None:
        """Add a point."""
        if point.tag not in self._tags:
            self._tags[point.tag] = len(self._tags)
        value = point.value
        # SQLite has no NaN: it makes it null.
        kept = None if isinstance(value, float) and math.isnan(value) else value
        self._waiting.append((*point[:3], self._tags[point.tag], kept))
        if len(self._waiting) >= _WAITING:
            self._store()

    def purge(self, folder: int, step: int) -> int:
        """Remove the points of a folder from a step on; return how many there were."""
        self._store()
        gone = self._database.execute(
            "delete from points where folder = ? and step >= ?", (folder, step)
        )
        return gone.rowcount

    def folders(self) -> list[int]:
        """Return the numbers of the folders that have points."""
        self._store()
        return [row[0] for row in self._database.execute("select distinct folder from points")]

    def __iter__(self) -> Iterator[Point]:
        """Yield the points by step; those of a step in the order in which they were added."""
        self._store()
        tags = list(self._tags)
        found = self._database.execute("select * from points order by step, rowid")
        for folder, step, time_s, tag, value in found:
            yield Point(folder, step, time_s, tags[tag], math.nan if value is None else value)

    def close(self) -> None:
        """Let go of the disk."""
        self._database.close()

    def _store(self) -> None:
        self._database.executemany("insert into points values (?, ?, ?, ?, ?)", self._waiting)
        self._waiting.clear()
