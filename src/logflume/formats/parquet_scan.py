"""Scans Parquet parts for the events of a writer: every row is read and checked."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logflume.formats.parquet import KEYS, list_parts, list_tables
from logflume.formats.parquet_file import ParquetFile
from logflume.protocols import FaultKind, ScanFault, ScannedEvent
from logflume.resources import is_shortage, memory_limit_bytes
from logflume.runs.info import RunInfo
from logflume.values.event_checksum import event_checksum

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["scan_parts"]

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
        with ParquetFile(path) as file:
            if not set(file.schema_arrow.names) >= set(KEYS):
                raise pa.ArrowInvalid("columns of events are missing")
            for batch in file.batches(_SCAN_ROWS):
                for row in _rows(batch):
                    yield _scan_row(row, run, location)
            _read_with_duckdb(path)
            schema.append(file.schema_arrow)
    except FileNotFoundError:
        raise
    # Arrow raises ArrowInvalid for damaged data, or returns invalid texts and numbers.
    except (OSError, ValueError, OverflowError, MemoryError, pa.ArrowException) as error:
        if isinstance(error, OSError) and is_shortage(error):
            raise
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
    # DuckDB refuses what exceeds its own limit, and crashes where the system grants no memory.
    limit = f"{memory_limit_bytes() // 2}B"
    return duckdb.connect(config={"threads": 1, "memory_limit": limit, "temp_directory": ""})
