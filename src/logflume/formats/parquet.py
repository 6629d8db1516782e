"""Parquet parts: file names, which give the range of events in a part, reading and writing.

`parquet_scan.py` compares them with the journal.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from math import inf
from operator import le
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from logflume.exceptions import RunError
from logflume.formats.parquet_file import ParquetFile
from logflume.guard import unended
from logflume.protocols import Position
from logflume.resources import is_shortage
from logflume.runs.info import RunInfo
from logflume.runs.safe_files import open_file

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "KEYS",
    "DamagedPartError",
    "Part",
    "are_there",
    "count_values",
    "folder_name",
    "has_parts",
    "is_part_name",
    "leaf_name",
    "list_part_names",
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
def open_part(path: Path) -> Iterator[ParquetFile]:
    """Open a part for the duration of the block.

    Raises:
        FileNotFoundError: The file was replaced meanwhile.
        RunError: The file is damaged, detected on opening or within the block.
    """
    import pyarrow as pa

    try:
        with ParquetFile(path) as file:
            _check_columns(file.schema_arrow)
            yield file
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise RunError(
            f"{path}: this part can't be read: {unended(error)}. "
            "`logflume doctor RUN --fix` rebuilds it from the journal"
        ) from error


_RESERVED_TYPES = {
    **dict.fromkeys(("event", "run", "mode"), "string"),
    **dict.fromkeys(("attempt", "rank", "seq", "step"), "int64"),
    "timestamp": "timestamp[us, tz=UTC]",
}
"""The columns that queries rely on, as the sink writes them."""


def _check_columns(schema: pa.Schema) -> None:
    """Check that a file has the columns of events: it may be any Parquet file of that name.

    Raises:
        pa.ArrowInvalid: It hasn't.
    """
    import pyarrow as pa

    global _checked_schemas
    if any(schema is checked for checked in _checked_schemas):
        return
    for name, expected in _RESERVED_TYPES.items():
        index = schema.get_field_index(name)  # -1 also if there are several
        if index < 0 or str(schema.field(index).type) != expected:
            raise pa.ArrowInvalid(f"the column {name} is not of type {expected}")
    # Replaced, never changed: other threads may go through it.
    _checked_schemas = (schema, *_checked_schemas[: _MAX_CHECKED - 1])


_MAX_CHECKED = 16
_checked_schemas: tuple[pa.Schema, ...] = ()
"""Schemas that passed the check: the files of many ranks share one."""


def read_column(path: Path, name: str) -> pa.ChunkedArray[Any]:
    """Return one column of a Parquet file.

    Raises:
        FileNotFoundError: The file was replaced meanwhile.
    """
    with open_part(path) as file:
        return file.read([name])[name]


def count_values(path: Path, name: str) -> Counter[str]:
    """Return the number of occurrences of each value of a text column.

    Row groups whose statistics show a single value are counted without reading them.

    Raises:
        FileNotFoundError: The file was replaced meanwhile.
    """
    with open_part(path) as file:
        counts: Counter[str] = Counter()
        for index in range(file.metadata.num_row_groups):
            statistics = file.statistics(index, name)
            if _is_constant(statistics):
                counts[statistics.min] += file.metadata.row_group(index).num_rows
            else:
                values: Any = file.read([name], [index])[name].value_counts()
                counts.update({row["values"]: row["counts"] for row in values.to_pylist()})
    return counts


def _is_constant(statistics: Any) -> bool:
    if statistics is None or not statistics.has_min_max or statistics.null_count:
        return False
    return bool(statistics.min == statistics.max)


_NAME = re.compile(r"part-a(\d{4,})-(\d{12,})-(\d{12,})(?:-n(\d{1,18}))?(?:-\d+)?\.parquet")


class Part(NamedTuple):
    """A part, as its file name describes it.

    Attributes:
        name: Name of the file, such as `part-a0000-000000000000-000000009999-n140.parquet`.
        attempt: The attempt of its events.
        first_seq: Its lowest `seq`.
        last_seq: Its highest `seq`. Some numbers in between belong to events of other types.
        rows: Number of events; -1 if it was not read, and the name doesn't have it: that of an
            earlier version, or of a part with events of a type that isn't the folder's name.
        size_bytes: Size of the file; -1 if not read.
    """

    name: str
    attempt: int
    first_seq: int
    last_seq: int
    rows: int
    size_bytes: int

    @classmethod
    def of_name(cls, name: str, rows: int = -1, size_bytes: int = -1) -> Part:
        """Return the part with this file name. `rows` is what the name says, unless given.

        Raises:
            ValueError: It is not the name of a part.
        """
        match = _NAME.fullmatch(name)
        if match is None:
            raise ValueError(f"{name!r} is not the name of a part")
        part = cls.of_match(match)
        return part._replace(rows=part.rows if rows < 0 else rows, size_bytes=size_bytes)

    @classmethod
    def of_match(cls, match: re.Match[str]) -> Part:
        """Return the part with the file name that this is a match of."""
        attempt, first_seq, last_seq, rows = match.groups()
        rows_or_unknown = -1 if rows is None else int(rows)
        return cls(match[0], int(attempt), int(first_seq), int(last_seq), rows_or_unknown, -1)

    def covers(self, other: Part) -> bool:
        """Whether the range of another part is within the range of this one."""
        return (
            self.attempt == other.attempt
            and self.first_seq <= other.first_seq
            and other.last_seq <= self.last_seq
        )


def list_tables(folder: Path) -> list[str]:
    """Return the names of the folders of parts, one for each event type."""
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if not e.name.startswith(".") and e.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def list_parts(folder: Path) -> list[Part]:
    """Return the parts in the folder of an event type, in order, as their names describe them."""
    try:
        with os.scandir(folder) as entries:
            matches = [match for entry in entries if (match := _NAME.fullmatch(entry.name))]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(map(Part.of_match, matches))


def has_parts(folder: Path) -> bool:
    """Whether there is a part in any of the folders of parts."""
    return any(list_parts(folder / name) for name in list_tables(folder))


def list_part_names(folder: Path) -> dict[str, list[str]]:
    """Return the names of all parts, by the name of their folder."""
    return {name: [part.name for part in list_parts(folder / name)] for name in list_tables(folder)}


_MAX_MERGED = 100
"""Maximum number of former parts that are looked up in others."""


def are_there(names: Iterable[str], parts: Sequence[Part]) -> bool:
    """Whether the events of former parts are still there, by the names of the parts.

    They may have been merged since. Also False if many were merged: then opening the parts is as
    fast.
    """
    former = set(names).difference(part.name for part in parts)
    return len(former) <= _MAX_MERGED and all(
        is_part_name(name) and any(part.covers(Part.of_name(name)) for part in parts)
        for name in former
    )


def is_part_name(name: str) -> bool:
    """Whether a file of this name is a part; any other is a foreign file."""
    return _NAME.fullmatch(name) is not None


def part_name(attempt: int, first_seq: int, last_seq: int, rows: int | None, copy: int = 0) -> str:
    """Return the file name of a part. Names sort in the order of the events.

    Because the names have the numbers of rows, readers need not open the parts to know that none is
    missing, or to count the events of a type.

    Args:
        attempt: The attempt of its events.
        first_seq: Their lowest `seq`.
        last_seq: Their highest `seq`.
        rows: Their number; None if any is of a type other than the folder's name.
        copy: Distinguishes parts that would have the same name.

    >>> part_name(0, 17, 9999, 140)
    'part-a0000-000000000017-000000009999-n140.parquet'
    """
    suffix = ("" if rows is None else f"-n{rows}") + (f"-{copy}" if copy else "")
    return f"part-a{attempt:04d}-{first_seq:012d}-{last_seq:012d}{suffix}.parquet"


@lru_cache(maxsize=256)
def folder_name(event_type: str) -> str:
    """Return the name of the folder for the parts of an event type, valid for any type name.

    Types with special characters may share a folder; the column `event` distinguishes them.
    """
    return re.sub(r"[^\w.]|^\.|^$", "_", event_type, flags=re.ASCII)[:100]


_ROW_GROUP_BYTES = 8 * 2**20

_ROW_GROUP_ROWS = 122_880

_ZSTD_LEVEL = 3

_SMALL_BYTES = 1 << 16
"""Tables up to this size are compressed with Snappy: as small, but read in half the time."""

_BUFFER_BYTES = 2**20
"""Size of a write: Arrow writes through Python, so each write waits for the interpreter's lock."""

_TEXTS_WITH_STATISTICS = ("event", "run")

KEYS = ["run", "rank", "attempt", "seq"]
"""The columns that identify an event."""


class DamagedPartError(OSError):
    """The content of a part can't be read.

    Args:
        name: Name of the file.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the Parquet part {name} can't be read")


def write_file(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Write tables to one file, and return its number of rows. Up to 8 MB of tables are buffered.

    The layout is optimized for queries by step: rows are sorted by step, in row groups of 8 MB, so
    that readers skip the groups without the step. The choices were measured with
    `tests/benchmarks/parquet_layout.py`. Smaller groups enlarge the footer, which every query
    reads. So do statistics of texts, which only help where a file has a single value, and the
    Arrow schema, which the Parquet types already give. Dictionaries make texts, integers and lists
    of rewards smaller, but nearly all other numbers larger. Each page has a checksum, because
    nothing else would detect a flipped bit in a number.

    Args:
        path: The file.
        schema: Its schema.
        tables: The tables, with this schema.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    # The type stubs don't accept a list of names.
    with_dictionary: Any = [leaf_name(field) for field in schema if _has_dictionary(field)]
    rows = 0
    merged = _merge(tables)
    first = next(merged, None)
    is_small = first is None or first.nbytes <= _SMALL_BYTES
    codec: Any = (
        {"compression": "snappy"}
        if is_small
        else {"compression": "zstd", "compression_level": _ZSTD_LEVEL}
    )
    with (
        open(path, "wb", opener=open_file) as file,
        pa.PythonFile(file, "w") as unbuffered,
        pa.BufferedOutputStream(unbuffered, _BUFFER_BYTES) as stream,
        pq.ParquetWriter(
            stream,
            schema,
            **codec,
            use_dictionary=with_dictionary,
            write_statistics=[field.name for field in schema if _has_statistics(field)],
            store_schema=False,
            write_page_checksum=True,
        ) as writer,
    ):
        table, first = first, None
        while table is not None:
            writer.write_table(_sort_by_step(table), row_group_size=_row_group_rows(table))
            rows += table.num_rows
            del table  # freed before the next one is built
            table = next(merged, None)
    return rows


def read_tables(path: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the content of a part, one row group at a time, with the columns of `schema`.

    Raises:
        DamagedPartError: The part can't be read.
        OSError, MemoryError: It can't be read now, for lack of descriptors or memory.
    """
    import pyarrow as pa

    from logflume.values.arrow import widen

    try:
        with ParquetFile(path) as file:
            for index in range(file.metadata.num_row_groups):
                yield widen(file.read(file.schema_arrow.names, [index]), schema)
    except (OSError, pa.ArrowException) as error:
        if is_shortage(error):
            raise
        raise DamagedPartError(path.name) from error


def read_positions(path: Path, run: RunInfo) -> Iterator[Position]:
    """Yield the positions of the events of a run and rank in a part.

    A part that is missing or damaged yields none.

    Raises:
        OSError, MemoryError: It can't be read now, for lack of descriptors or memory.
    """
    import pyarrow as pa

    try:
        with ParquetFile(path) as file:
            for index in range(file.metadata.num_row_groups):
                rows = file.read(KEYS, [index])
                for run_id, rank, attempt, seq in zip(
                    *(rows[name].to_pylist() for name in KEYS), strict=True
                ):
                    if (run_id, rank) == (run.run, run.rank) and None not in (attempt, seq):
                        yield attempt, seq
    except (OSError, pa.ArrowException) as error:
        if is_shortage(error):
            raise


def _merge(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield the same rows in fewer tables."""
    import pyarrow as pa

    pending: list[pa.Table] = []
    for table in tables:
        pending.append(table)
        if sum(table.nbytes for table in pending) >= _ROW_GROUP_BYTES:
            yield pa.concat_tables(pending)
            pending.clear()
            pa.default_memory_pool().release_unused()
    if pending:
        yield pa.concat_tables(pending)


def _has_dictionary(field: pa.Field[Any]) -> bool:
    import pyarrow as pa

    if pa.types.is_list(field.type) and pa.types.is_floating(field.type.value_type):
        return field.name.startswith("rewards/")
    return not pa.types.is_floating(field.type)


def _has_statistics(field: pa.Field[Any]) -> bool:
    import pyarrow as pa

    return field.name in _TEXTS_WITH_STATISTICS or not pa.types.is_string(field.type)


def leaf_name(field: pa.Field[Any]) -> str:
    """Return the name of the Parquet column with the values of a field."""
    import pyarrow as pa

    return f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name


def _sort_by_step(table: pa.Table) -> pa.Table:
    """Return the rows sorted by step (stable), those without a step last."""
    # Chunk by chunk, so that other threads get their turn in between.
    values = chain.from_iterable(chunk.to_pylist() for chunk in table["step"].chunks)
    steps = [inf if step is None else step for step in values]
    return table if all(map(le, steps, steps[1:])) else table.sort_by("step")


def _row_group_rows(table: pa.Table) -> int:
    """Return the number of rows per row group, for groups of equal size."""
    groups = max(1, round(table.nbytes / _ROW_GROUP_BYTES))
    return min(_ROW_GROUP_ROWS, 1 + table.num_rows // groups)
