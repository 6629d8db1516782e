"""Parquet parts: file names, which give the range of events in a part, reading and writing."""

from __future__ import annotations

import errno
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import chain
from math import inf
from operator import le
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from logflume.exceptions import RunError
from logflume.protocols import FaultKind, Position, ScanFault, ScannedEvent
from logflume.runs.info import RunInfo
from logflume.runs.safe_files import open_file
from logflume.values.event_checksum import event_checksum

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = [
    "MAX_ROWS",
    "DamagedPartError",
    "Part",
    "count_values",
    "folder_name",
    "has_parts",
    "is_part_name",
    "leaf_name",
    "list_parts",
    "list_tables",
    "open_parquet",
    "open_part",
    "part_name",
    "read_column",
    "read_positions",
    "read_tables",
    "scan_parts",
    "write_file",
]


MAX_ROWS = 2_000_000
"""Of a part. The sink merges parts up to half of it; a small file may claim any number of rows."""


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a Parquet file.

    Raises:
        OSError: It is no regular file, or has more than `MAX_ROWS` rows.
        pa.ArrowException: It is damaged.
    """
    # Not `read_table`, which takes a folder named `a=b`, such as a run's, for a partition column.
    import pyarrow.parquet as pq

    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    file = pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True)
    if file.metadata.num_rows > MAX_ROWS:
        rows = file.metadata.num_rows
        file.close()
        raise OSError(errno.EFBIG, f"{rows:,} rows, of at most {MAX_ROWS:,}", str(path))
    return file


@contextmanager
def open_part(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file for the duration of the block.

    Raises:
        FileNotFoundError: The file was replaced meanwhile.
        RunError: The file is damaged, detected on opening or within the block.
    """
    import pyarrow as pa

    try:
        with open_parquet(path) as file:
            yield file
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise RunError(
            f"{path}: this part can't be read: {str(error).rstrip('.')}. "
            "`logflume doctor RUN --fix` rebuilds it from the journal"
        ) from error


def read_column(path: Path, name: str) -> pa.ChunkedArray[Any]:
    """Return one column of a Parquet file.

    Raises:
        FileNotFoundError: The file was replaced meanwhile.
    """
    with open_part(path) as file:
        return file.read(columns=[name])[name]


def count_values(path: Path, name: str) -> Counter[str]:
    """Return the number of occurrences of each value of a text column.

    Row groups whose statistics show a single value are counted without reading them.

    Raises:
        FileNotFoundError: The file was replaced meanwhile.
    """
    with open_part(path) as file:
        footer = file.metadata
        column = next(i for i in range(footer.num_columns) if footer.schema.column(i).path == name)
        counts: Counter[str] = Counter()
        for index in range(footer.num_row_groups):
            group: Any = footer.row_group(index)
            statistics = group.column(column).statistics
            if _is_constant(statistics):
                counts[statistics.min] += group.num_rows
            else:
                values: Any = file.read_row_group(index, columns=[name])[name].value_counts()
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
        rows: Number of events, which the names that earlier versions gave don't have: -1 if they
            were not read.
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
        attempt, first_seq, last_seq = map(int, match.groups()[:3])
        if rows < 0 and match[4] is not None:
            rows = int(match[4])
        return cls(name, attempt, first_seq, last_seq, rows, size_bytes)

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
            names = sorted(entry.name for entry in entries if is_part_name(entry.name))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [Part.of_name(name) for name in names]


def has_parts(folder: Path) -> bool:
    """Whether there is a part in any of the folders of parts."""
    return any(list_parts(folder / name) for name in list_tables(folder))


def is_part_name(name: str) -> bool:
    """Whether a file of this name is a part; any other is a foreign file."""
    return _NAME.fullmatch(name) is not None


def part_name(attempt: int, first_seq: int, last_seq: int, rows: int, copy: int = 0) -> str:
    """Return the file name of a part. Names sort in the order of the events.

    With the number of rows in the names, readers need not open the parts to know that none is
    missing.

    >>> part_name(0, 17, 9999, 140)
    'part-a0000-000000000017-000000009999-n140.parquet'
    """
    suffix = f"-{copy}" if copy else ""
    return f"part-a{attempt:04d}-{first_seq:012d}-{last_seq:012d}-n{rows}{suffix}.parquet"


def folder_name(event_type: str) -> str:
    """Return the name of the folder for the parts of an event type, valid for any type name.

    Types with special characters may share a folder; the column `event` distinguishes them.
    """
    return re.sub(r"[^\w.]|^\.|^$", "_", event_type, flags=re.ASCII)[:100]


_ROW_GROUP_BYTES = 8 * 2**20

_ROW_GROUP_ROWS = 122_880

_ZSTD_LEVEL = 3

_SMALL_BYTES = 1 << 18
"""Tables up to this size are compressed with Snappy: as small, but read in half of the time."""

_BUFFER_BYTES = 2**20
"""Written at once: Arrow writes through Python, so each write waits for the interpreter's lock."""

_TEXTS_WITH_STATISTICS = ("event", "run")

_KEYS = ["run", "rank", "attempt", "seq"]


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
    Arrow schema, which the Parquet types already give. Dictionaries make texts and lists of
    rewards smaller, but nearly all other numbers larger. Each page has a checksum, because nothing
    else would detect a flipped bit in a number.

    Args:
        path: The file.
        schema: Its schema.
        tables: The tables, with this schema.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    # The type stubs don't accept a list of names.
    with_dictionary: Any = [leaf_name(f) for f in schema if not pa.types.is_floating(f.type)]
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
    """
    import pyarrow as pa

    from logflume.values.arrow import widen

    try:
        # One thread: the CPU cores belong to the training.
        with open_parquet(path) as file:
            for index in range(file.num_row_groups):
                yield widen(file.read_row_group(index, use_threads=False), schema)
    except (OSError, pa.ArrowException) as error:
        raise DamagedPartError(path.name) from error


def read_positions(path: Path, run: RunInfo) -> Iterator[Position]:
    """Yield the positions of the events of a run and rank in a part.

    A part that is missing or can't be read yields none.
    """
    import pyarrow as pa

    try:
        with open_parquet(path) as file:
            for index in range(file.num_row_groups):
                rows = file.read_row_group(index, columns=_KEYS, use_threads=False)
                for run_id, rank, attempt, seq in zip(
                    *(rows[name].to_pylist() for name in _KEYS), strict=True
                ):
                    if (run_id, rank) == (run.run, run.rank) and None not in (attempt, seq):
                        yield attempt, seq
    except (OSError, pa.ArrowException):
        return


_SCAN_ROWS = 1_024
_WITH_DUCKDB = "select bit_xor(hash(part)) from read_parquet(?) as part"


def scan_parts(path: Path, run: RunInfo) -> Iterator[ScannedEvent | ScanFault]:
    """Yield the events of a writer in all folders of parts, with their checksums, and faults.

    Every part is read completely, also with DuckDB if that is installed, because it validates
    headers that Arrow ignores.

    Args:
        path: The folder with a folder of parts for each event type; it may be missing.
        run: The run and rank.

    Raises:
        FileNotFoundError: A part was replaced meanwhile.
    """
    for event_type in list_tables(path):
        schemas = set()
        for part in list_parts(path / event_type):
            schema: list[pa.Schema] = []
            yield from _scan_part(path / event_type / part.name, run, schema)
            schemas |= {tuple((field.name, str(field.type)) for field in one) for one in schema}
        if len(schemas) > 1:
            what = "parts with different schemas"
            yield ScanFault(what, FaultKind.LAYOUT, len(schemas), event_type)


def _scan_part(
    path: Path, run: RunInfo, schema: list[pa.Schema]
) -> Iterator[ScannedEvent | ScanFault]:
    """Yield the events of a part, and add its schema to `schema` if it can be read."""
    import pyarrow as pa

    location = path.parent.name
    try:
        with open_parquet(path) as file:
            if not set(file.schema_arrow.names) >= set(_KEYS):
                raise pa.ArrowInvalid("columns of events are missing")
            for batch in file.iter_batches(_SCAN_ROWS, use_threads=False):
                for row in _rows(batch):
                    yield _scan_row(row, run, location)
            _read_with_duckdb(path)
            schema.append(file.schema_arrow)
    except FileNotFoundError:
        raise
    # Arrow raises ArrowInvalid for damaged data, or returns invalid texts and numbers.
    except (OSError, ValueError, OverflowError, MemoryError, pa.ArrowException):
        yield ScanFault("unreadable part", FaultKind.DAMAGE, 1, f"{location}/{path.name}")


def _scan_row(row: dict[str, Any], run: RunInfo, location: str) -> ScannedEvent | ScanFault:
    attempt, seq = row.get("attempt"), row.get("seq")
    if (row.get("run"), row.get("rank")) != (run.run, run.rank) or attempt is None or seq is None:
        return ScanFault("rows that belong to no event of this run", FaultKind.FOREIGN, 1, location)
    return ScannedEvent((attempt, seq), event_checksum(row), location)


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    names = batch.schema.names
    columns = [
        (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
        for column in batch.columns
    ]
    for values in zip(*columns, strict=True):
        yield {n: v for n, v in zip(names, values, strict=True) if v is not None}


def _read_with_duckdb(path: Path) -> None:
    """Read a part with DuckDB if it is installed.

    Raises:
        OSError: DuckDB can't read the part.
    """
    connection = _connect_duckdb()
    if connection is None:
        return
    import duckdb

    try:
        connection.execute(_WITH_DUCKDB, [str(path)])
    except duckdb.Error as error:
        raise (OSError if path.exists() else FileNotFoundError)(str(error)) from error


@cache
def _connect_duckdb() -> Any:
    try:
        import duckdb
    except ImportError:
        return None
    return duckdb.connect(config={"threads": 1})


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
