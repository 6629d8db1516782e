"""The names of Parquet files: which events of a run are in each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from math import inf
from operator import le
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from logflume.exceptions import RunError
from logflume.protocols import Position
from logflume.runs.info import RunInfo
from logflume.values.arrow import widen

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = [
    "DamagedPartError",
    "Part",
    "count_values",
    "folder_name",
    "is_part_name",
    "leaf_name",
    "list_parts",
    "list_tables",
    "open_part",
    "part_name",
    "read_column",
    "read_positions",
    "read_tables",
    "write_file",
]


@contextmanager
def open_part(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file for a while.

    Raises:
        FileNotFoundError: The file was replaced meanwhile.
        RunError: It is damaged, as is noticed here or while it is read.
    """
    import pyarrow as pa

    # Not `read_table`: that one takes a folder named `a=b`, a run's say, for a column.
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True) as file:
            yield file
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise RunError(
            f"{path}: this part can't be read: {str(error).rstrip('.')}. "
            "`logflume doctor RUN --fix` makes it anew from the journal"
        ) from error


def read_column(path: Path, name: str) -> pa.ChunkedArray[Any]:
    """Return one column of a Parquet file.

    Raises:
        FileNotFoundError: The file was replaced meanwhile.
    """
    with open_part(path) as file:
        return file.read(columns=[name])[name]


def count_values(path: Path, name: str) -> Counter[str]:
    """Return how often each value of a column of texts is there.

    Where the footer says that all are the same, nothing else is read.

    Raises:
        FileNotFoundError: The file was replaced meanwhile.
    """
    with open_part(path) as file:
        footer = file.metadata
        place = next(i for i in range(footer.num_columns) if footer.schema.column(i).path == name)
        counts: Counter[str] = Counter()
        for index in range(footer.num_row_groups):
            group: Any = footer.row_group(index)
            statistics = group.column(place).statistics
            if _is_constant(statistics):
                counts[statistics.min] += group.num_rows
            else:
                values: Any = file.read_row_group(index, columns=[name])[name].value_counts()
                counts.update({each["values"]: each["counts"] for each in values.to_pylist()})
    return counts


def _is_constant(statistics: Any) -> bool:
    if statistics is None or not statistics.has_min_max or statistics.null_count:
        return False
    return bool(statistics.min == statistics.max)


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
