"""The names of Parquet files: which events of a run are in each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

__all__ = ["Part", "folder_name", "is_part_name", "list_parts", "list_tables", "part_name"]

_NAME = re.compile(r"part-a(\d{4,})-(\d{12,})-(\d{12,})(?:-\d+)?\.parquet")


class Part(NamedTuple):
    """A part that readers see.

    Attributes:
        name: Name of the file, such as `part-a0000-000000000000-000000009999.parquet`.
        attempt: The attempt of the run that its events are of.
        first_seq: The lowest `seq` in it.
        last_seq: The highest `seq` in it. Events of other types have numbers in between.
        rows: How many events it has.
        size_bytes: Size of the file.
    """

    name: str
    attempt: int
    first_seq: int
    last_seq: int
    rows: int
    size_bytes: int

    @classmethod
    def of_name(cls, name: str, rows: int, size_bytes: int) -> Part:
        """Return the part of that file name.

        Raises:
            ValueError: It is not a part's name.
        """
        match = _NAME.fullmatch(name)
        if match is None:
            raise ValueError(f"{name!r} is not the name of a part")
        attempt, first_seq, last_seq = map(int, match.groups())
        return cls(name, attempt, first_seq, last_seq, rows, size_bytes)

    def holds_range_of(self, other: Part) -> bool:
        """Whether the range of this part has that of another one inside it."""
        return (
            self.attempt == other.attempt
            and self.first_seq <= other.first_seq
            and other.last_seq <= self.last_seq
        )


def list_tables(folder: Path) -> list[str]:
    """Return the names of the folders of parts, one a type of event; none where nothing is."""
    if not folder.is_dir():
        return []
    folders = (path for path in folder.iterdir() if path.is_dir())
    return sorted(path.name for path in folders if not path.name.startswith("."))


def list_parts(folder: Path) -> list[Part]:
    """Return the parts in the folder of a type, in order; rows and sizes are not looked at: -1."""
    if not folder.is_dir():
        return []
    names = sorted(path.name for path in folder.iterdir() if is_part_name(path.name))
    return [Part.of_name(name, -1, -1) for name in names]


def is_part_name(name: str) -> bool:
    """Whether a file of this name is a part; any other is a stranger's."""
    return _NAME.fullmatch(name) is not None


def part_name(attempt: int, first_seq: int, last_seq: int, copy: int = 0) -> str:
    """Return a part's file name; names sort in the order of their events.

    >>> part_name(0, 17, 9999)
    'part-a0000-000000000017-000000009999.parquet'
    """
    suffix = f"-{copy}" if copy else ""
    return f"part-a{attempt:04d}-{first_seq:012d}-{last_seq:012d}{suffix}.parquet"


def folder_name(event_type: str) -> str:
    """Return the name of the folder of a type's parts, whatever the type is called.

    Types that are no plain names may share one: the column `event` tells them apart.
    """
    return re.sub(r"[^\w.]|^\.|^$", "_", event_type, flags=re.ASCII)[:100]
