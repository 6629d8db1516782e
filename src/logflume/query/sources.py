"""Locates and reads the events of one type and writer, in Parquet files and in the journal.

The files aren't read as one `pyarrow.dataset`: a field may have different types in two runs.
Read one by one, its fragments take one and a half times the CPU time of `ParquetFile` here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from logflume.formats.parquet import Part, open_part
from logflume.query.columns import join_schemas
from logflume.query.journal_tables import JournalEvents, convert_journals
from logflume.query.row_filter import Limits, RowFilter
from logflume.query.run_snapshot import Snapshot
from logflume.values.arrow import widen

__all__ = ["ScanResult", "Source", "find_sources", "read_sources"]

SelectColumns: TypeAlias = Callable[[pa.Schema], Sequence[str]]
Prefilter: TypeAlias = Callable[[pa.Table], pa.Table]
Item = TypeVar("Item")
Result = TypeVar("Result")

_THREADS = min(8, os.cpu_count() or 1)
_PREFILTER_ROWS = 10_000
"""Minimum number of rows for which prefiltering a file pays off."""

_CHUNKS_PER_THREAD = 8
"""Few, because each chunk has a cost, but enough for all threads to finish together."""


class Source:
    """The events of one type and writer.

    Args:
        snapshot: The events of the writer.
        event_type: The type.

    Attributes:
        run: The run's id; None if unknown.
        files: Parquet files, in order.
        journal: The events that only the journal has.
    """

    def __init__(self, snapshot: Snapshot, event_type: str) -> None:
        self.run = snapshot.run
        self.files = snapshot.files(event_type)
        self.journal = JournalEvents(snapshot, event_type)


class ScanResult(NamedTuple):
    """The result of reading a source.

    Attributes:
        schema: All available columns.
        events: The matching events, with the selected columns.
    """

    schema: pa.Schema
    events: pa.Table


def find_sources(snapshots: Sequence[Snapshot], event_type: str) -> list[Source]:
    """Return the sources of the events of a type, one for each writer."""
    return [Source(snapshot, event_type) for snapshot in snapshots]


def read_sources(
    sources: Sequence[Source],
    select_columns: SelectColumns,
    filter_for: Callable[[Source], RowFilter],
    prefilter: Prefilter | None = None,
) -> list[ScanResult]:
    """Return the matching events of each source.

    Args:
        sources: The sources.
        select_columns: Returns the columns to read, of those that a file has. Called once for all
            files with equal schemas.
        filter_for: Returns the row filter for a source.
        prefilter: Reduces the events read from each file; None: they are kept as they are.
    """
    columns = _KnownSchemas(select_columns)

    def read(file: tuple[Path, Source]) -> ScanResult:
        path, source = file
        result = _read_file(path, source.run, columns, filter_for(source))
        if prefilter is None or len(result.events) < _PREFILTER_ROWS:
            return result
        return result._replace(events=prefilter(result.events))

    files = [(path, source) for source in sources for path in source.files]
    pieces = iter(_map_in_threads(read, files))
    of_sources = [list(islice(pieces, len(source.files))) for source in sources]
    newest = zip(sources, (of_source[-1:] for of_source in of_sources), strict=True)
    convert_journals([(source.journal, _newest_schema(source, last)) for source, last in newest])
    for source, of_source in zip(sources, of_sources, strict=True):
        if source.journal.table is not None:
            events = filter_for(source).apply(source.journal.table)
            schema, names = columns.find(events.schema)
            of_source.append(ScanResult(schema, events.select(names)))
    return [_concat(of_source) for of_source in of_sources]


def _newest_schema(source: Source, newest: Sequence[ScanResult]) -> pa.Schema | None:
    """Return the schema of a source's newest file, which has all columns so far."""
    if not newest or source.journal.is_converted:
        return None
    if newest[0].schema.names:
        return newest[0].schema
    with open_part(source.files[-1]) as file:  # its name ruled out matching events
        return file.schema_arrow


class _KnownSchemas:
    """The schemas met so far: a thousand ranks have few different ones.

    Args:
        select_columns: As for `read_sources`.
    """

    def __init__(self, select_columns: SelectColumns) -> None:
        self._select_columns = select_columns
        self._known: list[tuple[pa.Schema, list[str]]] = []

    def find(self, schema: pa.Schema) -> tuple[pa.Schema, list[str]]:
        """Return the first schema that equals this one, and the columns to read."""
        for known in self._known:
            if known[0].equals(schema):
                return known
        self._known.append((schema, list(self._select_columns(schema))))
        return self._known[-1]


def _concat(results: Sequence[ScanResult]) -> ScanResult:
    """Return the results of one source as one."""
    if not results:
        return ScanResult(pa.schema([]), pa.table({}))
    if len(results) == 1:
        return results[0]
    schema = join_schemas(result.events.schema for result in results)
    events = pa.concat_tables([widen(result.events, schema) for result in results])
    return ScanResult(join_schemas(result.schema for result in results), events)


def _read_file(
    path: Path, run: str | None, columns: _KnownSchemas, row_filter: RowFilter
) -> ScanResult:
    """Return the matching events of a file, skipping row groups without any.

    The run's id is the same in all of its files, so the column isn't read where the id is known. A
    file whose name rules out matching events isn't opened.
    """
    part = Part.of_name(path.name)
    if not row_filter.may_match(None, (part.first_seq, part.last_seq)):
        return ScanResult(pa.schema([]), pa.table({}))
    with open_part(path) as file:
        schema, names = columns.find(file.schema_arrow)
        known = {"run"} & set(names) if run is not None else set()
        required = [n for n in dict.fromkeys([*names, *row_filter.columns]) if n not in known]
        groups = _find_groups(file.metadata, row_filter)
        events = file.read(required, groups)
    events = row_filter.apply(events)
    if known:
        events = events.append_column("run", pa.repeat(pa.scalar(run, pa.string()), len(events)))
    return ScanResult(schema, events.select(names))


def _find_groups(footer: pq.FileMetaData, row_filter: RowFilter) -> list[int]:
    """Return the row groups that may have matching events, according to their statistics."""
    groups = range(footer.num_row_groups)
    columns = row_filter.columns
    if not columns:
        return list(groups)
    step, seq = (_find_column(footer, n) if n in columns else None for n in ("step", "seq"))
    return [
        group
        for group in groups
        if row_filter.may_match(_limits(footer, group, step), _limits(footer, group, seq))
    ]


def _find_column(footer: pq.FileMetaData, name: str) -> int:
    """Return the index of a column, found early: reserved names are among the first columns."""
    columns = (footer.schema.column(index).path for index in range(footer.num_columns))
    return next(index for index, path in enumerate(columns) if path == name)


def _limits(footer: pq.FileMetaData, group: int, column: int | None) -> Limits:
    statistics: Any = None
    if column is not None:
        statistics = footer.row_group(group).column(column).statistics
    if statistics is None or not statistics.has_min_max:
        return None
    return statistics.min, statistics.max


def _map_in_threads(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return the results in order. Threads help because Arrow releases the GIL while it reads."""
    size = -(-len(items) // (_THREADS * _CHUNKS_PER_THREAD))
    if len(items) < 2:
        return [function(item) for item in items]
    chunks = [items[start : start + size] for start in range(0, len(items), size)]
    with ThreadPoolExecutor(min(_THREADS, len(chunks))) as pool:
        done = pool.map(lambda chunk: [function(item) for item in chunk], chunks)
        return [result for chunk in done for result in chunk]
