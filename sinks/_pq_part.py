"""One Parquet file of a type: its name, how it is written and read again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from math import inf
from operator import le
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from logflume.protocols import Position
from logflume.run import RunInfo
from logflume.values.arrow_columns import widen

__all__ = [
    "DamagedPartError",
    "leaf_name",
    "read_positions",
    "read_tables",
    "write_file",
]

_ROW_GROUP_BYTES = 8 * 2**20
_ROW_GROUP_ROWS = 122_880
_ZSTD_LEVEL = 3
_SHARED_TEXTS = ("event", "run")
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
    """Write tables to one file, and return its number of rows. Tables are held up to 8 MB.

    The layout is for questions about steps: rows are in the order of their steps, in row groups
    of 8 MB, of which readers skip those without the step. It was measured
    (`tests/benchmarks/parquet_layout.py`): smaller groups make the footer large, which is read for
    every question; so do statistics of texts, which help none but where a file has one only, and
    a copy of the schema for Arrow, which the Parquet types tell as well. Dictionaries make texts
    and lists of rewards smaller, and nearly all other numbers larger. Each page has its checksum:
    of a flipped bit in a number nothing else would tell.
    """
    # The stubs know no names here.
    with_dictionary: Any = [leaf_name(f) for f in schema if not pa.types.is_floating(f.type)]
    rows = 0
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        use_dictionary=with_dictionary,
        write_statistics=[field.name for field in schema if _has_statistics(field)],
        store_schema=False,
        write_page_checksum=True,
    ) as writer:
        for table in _gather(tables):
            writer.write_table(_in_order_of_steps(table), row_group_size=_row_group_rows(table))
            rows += table.num_rows
            del table  # its memory goes to the next one
    return rows


def read_tables(path: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the content of a part, a row group at a time, with the columns of `schema`.

    Raises:
        DamagedPartError: It can't be read.
    """
    try:
        # One thread: the cores belong to the training.
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for index in range(file.num_row_groups):
                yield widen(file.read_row_group(index, use_threads=False), schema)
    except (OSError, pa.ArrowException) as error:
        raise DamagedPartError(path.name) from error


def read_positions(path: Path, run: RunInfo) -> Iterator[Position]:
    """Yield the attempt and `seq` of the events of a run and rank in a part.

    One that is gone, or can't be read, has none.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
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
    """Yield the same rows in fewer tables."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(one.nbytes for one in held) >= _ROW_GROUP_BYTES:
            yield pa.concat_tables(held)
            held.clear()
            pa.default_memory_pool().release_unused()
    if held:
        yield pa.concat_tables(held)


def _has_statistics(field: pa.Field[Any]) -> bool:
    return field.name in _SHARED_TEXTS or not pa.types.is_string(field.type)


def leaf_name(field: pa.Field[Any]) -> str:
    """Return what Parquet calls the column that holds a field's values."""
    return f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name


def _in_order_of_steps(table: pa.Table) -> pa.Table:
    """Return the rows by step, those of one step as they were, those without a step last."""
    # Chunk by chunk, between which other threads get their turn.
    found = chain.from_iterable(chunk.to_pylist() for chunk in table["step"].chunks)
    steps = [inf if step is None else step for step in found]
    return table if all(map(le, steps, steps[1:])) else table.sort_by("step")


def _row_group_rows(table: pa.Table) -> int:
    """Return how many rows of the table make a row group, all groups alike."""
    groups = max(1, round(table.nbytes / _ROW_GROUP_BYTES))
    return min(_ROW_GROUP_ROWS, 1 + table.num_rows // groups)
