"""One Parquet file of a type: its name, how it is written and read again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from logflume.protocols import Position
from logflume.run import RunInfo

__all__ = [
    "DamagedPartError",
    "Part",
    "is_part_name",
    "part_name",
    "read_positions",
    "read_tables",
    "widen",
    "write_file",
]

_ROW_GROUP_BYTES = 64 * 2**20
_ROW_GROUP_ROWS = 122_880
_KEYS = ["run", "rank", "attempt", "seq"]
_NAME = re.compile(r"part-a(\d{4,})-(\d{12,})-(\d{12,})(?:-\d+)?\.parquet")


class DamagedPartError(OSError):
    """A part whose content can't be read.

    Args:
        name: Name of the file.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the Parquet part {name} can't be read")


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


def write_file(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Write tables to one file, and return its number of rows. Tables are held up to 64 MB."""
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in _gather(tables):
            writer.write_table(table, row_group_size=_ROW_GROUP_ROWS)
            rows += table.num_rows
    return rows


def read_tables(path: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the content of a part, a row group at a time, with the columns of `schema`.

    Raises:
        DamagedPartError: It can't be read.
    """
    try:
        # One thread: the cores belong to the training.
        with pq.ParquetFile(path) as file:
            for index in range(file.num_row_groups):
                yield widen(file.read_row_group(index, use_threads=False), schema)
    except (OSError, pa.ArrowException) as error:
        raise DamagedPartError(path.name) from error


def read_positions(path: Path, run: RunInfo) -> Iterator[Position]:
    """Yield the attempt and `seq` of the events of a run and rank in a part.

    One that is gone, or can't be read, has none.
    """
    try:
        with pq.ParquetFile(path) as file:
            for index in range(file.num_row_groups):
                rows = file.read_row_group(index, columns=_KEYS, use_threads=False)
                for of_run, rank, attempt, seq in zip(
                    *(rows[name].to_pylist() for name in _KEYS), strict=True
                ):
                    if (of_run, rank) == (run.run, run.rank) and None not in (attempt, seq):
                        yield attempt, seq
    except (OSError, pa.ArrowException):
        return


def widen(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table with the columns of `schema`; one that it lacks is null."""
    present = set(table.column_names)
    columns: list[Any] = [
        table.column(field.name) if field.name in present else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _gather(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield the same rows in tables that make good row groups."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(one.nbytes for one in held) >= _ROW_GROUP_BYTES:
            yield pa.concat_tables(held)
            held.clear()
    if held:
        yield pa.concat_tables(held)
