"""One Parquet file of a type: its name, how it is written and read again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from logflume.protocols import Position
from logflume.run import RunInfo
from logflume.values.arrow_columns import widen

__all__ = [
    "DamagedPartError",
    "read_positions",
    "read_tables",
    "write_file",
]

_ROW_GROUP_BYTES = 64 * 2**20
_ROW_GROUP_ROWS = 122_880
_KEYS = ["run", "rank", "attempt", "seq"]


class DamagedPartError(OSError):
    """A part whose content can't be read.

    Args:
        name: Name of the file.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the Parquet part {name} can't be read")


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
