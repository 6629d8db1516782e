"""Locates and reads the events of one type and writer, in Parquet files and in the journal.

The files aren't read as one `pyarrow.dataset`: a field may have different types in two runs.
Read one by one, its fragments take one and a half times the CPU time of `ParquetFile` here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

import pyarrow as pa

from logflume.formats.parquet import Part, open_part
from logflume.formats.parquet_file import ParquetFile
from logflume.query.columns import holds_numbers, join_schemas
from logflume.query.extremes import Extremes, Key, find_limits, find_statistics
from logflume.query.journal_tables import JournalEvents, convert_journals
from logflume.query.row_filter import RowFilter
from logflume.query.run_snapshot import Snapshot
from logflume.values.arrow import widen

__all__ = ["ScanResult", "Source", "find_sources", "read_sources"]

SelectColumns: TypeAlias = Callable[[pa.Schema], Sequence[str]]
Prefilter: TypeAlias = Callable[[pa.Table], pa.Table]
Item = TypeVar("Item")
Result = TypeVar("Result")

_THREADS = min(8, os.cpu_count() or 1)
_PREFILTER_ROWS = 10_000
"""Minimum number of rows for which prefiltering pays off."""

_CHUNKS_PER_THREAD = 8
"""Few, because each chunk has a cost, but enough for all threads to finish together."""


class Source:
    """The events of one type and writer.

    Args:
        snapshot: The events of the writer.
        event_type: The type.

    Attributes:
        run: The run's id; None if unknown.
        rank: The rank of the writer; None if unknown.
        files: Parquet files, in order.
        journal: The events that only the journal has.
        schema: All columns of the files, once they have been read; None before.
    """

    def __init__(self, snapshot: Snapshot, event_type: str) -> None:
        self.run = snapshot.run
        self.rank = snapshot.rank
        self.files = snapshot.files(event_type)
        self.journal = JournalEvents(snapshot, event_type)
        self.schema: pa.Schema | None = None


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
    extremes: Extremes | None = None,
) -> list[ScanResult]:
    """Return the matching events of each source.

    Args:
        sources: The sources.
        select_columns: Returns the columns to read, of those that a file has. Called once for all
            files with equal schemas.
        filter_for: Returns the row filter for a source.
        prefilter: Reduces the events read from each file; None: they are kept as they are.
        extremes: The events that `prefilter` selects, if it selects the extreme ones. Row groups
            that can't have any aren't read.
    """
    columns = _KnownSchemas(select_columns)
    files = [
        _File(path, source, filter_for(source), path == source.files[-1])
        for source in sources
        for path in source.files
    ]
    read = None
    if extremes is not None and prefilter is not None:
        read = _read_extremes(files, columns, prefilter, extremes)
    if read is None:
        read = _map_in_threads(lambda file: _read_file(file, columns, prefilter), files)
    pieces = iter(read)
    of_sources = [list(islice(pieces, len(source.files))) for source in sources]
    for source, of_source in zip(sources, of_sources, strict=True):
        if source.schema is None and of_source and of_source[-1].schema.names:
            source.schema = of_source[-1].schema
    convert_journals([(s.journal, s.schema) for s in sources if filter_for(s).may_match()])
    for source, of_source in zip(sources, of_sources, strict=True):
        if source.journal.table is not None:
            events = filter_for(source).apply(source.journal.table)
            schema, names = columns.find(events.schema)
            of_source.append(ScanResult(schema, events.select(names)))
    join = _Join()
    return [join.concat(of_source) for of_source in of_sources]


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


class _Join:
    """Joins the results of a source. The schemas of a thousand sources are joined few times."""

    def __init__(self) -> None:
        self._known: dict[Any, tuple[pa.Schema, pa.Schema, bool]] = {}

    def concat(self, results: Sequence[ScanResult]) -> ScanResult:
        """Return the results of one source as one."""
        if not results:
            return ScanResult(pa.schema([]), pa.table({}))
        if len(results) == 1:
            return results[0]
        # Equal schemas are the same object here, and their events have the same columns, if any.
        key = tuple((id(result.schema), result.events.num_columns > 0) for result in results)
        tables = [result.events for result in results]
        if key not in self._known:
            of_events = join_schemas(table.schema for table in tables)
            are_equal = all(table.schema.equals(of_events) for table in tables)
            schema = join_schemas(result.schema for result in results)
            self._known[key] = schema, of_events, are_equal
        schema, of_events, are_equal = self._known[key]
        if not are_equal:
            tables = [widen(table, of_events) for table in tables]
        return ScanResult(schema, pa.concat_tables(tables))


class _File(NamedTuple):
    """A Parquet file, and which of its events to read.

    Attributes:
        path: The file.
        source: Its source.
        row_filter: Selects the events.
        is_newest: Whether it is the newest file of its source, so that it has all columns so far.
    """

    path: Path
    source: Source
    row_filter: RowFilter
    is_newest: bool

    @property
    def may_match(self) -> bool:
        """Whether it may have matching events, according to its name."""
        if self.row_filter.seqs is None and not self.row_filter.min_seq:
            return True
        part = Part.of_name(self.path.name)
        return self.row_filter.may_match(None, (part.first_seq, part.last_seq))


def _read_file(file: _File, columns: _KnownSchemas, prefilter: Prefilter | None) -> ScanResult:
    """Return the matching events of a file, skipping row groups without any.

    Of a file whose name rules out matching events, only the schema is read, and only if it is the
    newest one: the other columns of events that are selected one by one don't depend on the rank.
    """
    if not file.may_match:
        if not file.is_newest or file.row_filter.seqs is None:
            return ScanResult(pa.schema([]), pa.table({}))
        if (schema := file.source.schema) is None:
            with open_part(file.path) as opened:
                schema = opened.schema_arrow
        return ScanResult(columns.find(schema)[0], pa.table({}))
    with open_part(file.path) as opened:
        schema, names = columns.find(opened.schema_arrow)
        groups = _find_groups(opened, file.row_filter)
        is_reduced = prefilter is not None or file.row_filter.columns
        if not is_reduced or opened.metadata.num_rows < _PREFILTER_ROWS:
            return ScanResult(schema, _read_groups(opened, groups, file, names))
        # Of all the rows of a large file, only those of a few row groups are in memory at a time.
        pieces = []
        for some in _split(opened, groups):
            events = _read_groups(opened, some, file, names)
            pieces.append(events if prefilter is None else prefilter(events))
    return ScanResult(schema, pa.concat_tables(pieces))


def _split(file: ParquetFile, groups: Sequence[int]) -> Iterator[list[int]]:
    """Yield adjacent row groups that have enough rows for prefiltering to pay off."""
    some: list[int] = []
    rows = 0
    for group in groups:
        some.append(group)
        rows += file.metadata.row_group(group).num_rows
        if rows >= _PREFILTER_ROWS:
            yield some
            some, rows = [], 0
    yield some


def _read_groups(
    opened: ParquetFile, groups: Sequence[int], file: _File, names: Sequence[str]
) -> pa.Table:
    """Return the matching events of some row groups.

    The run's id is the same in all files of a run, so the column isn't read where it is known.
    """
    run = file.source.run
    known = {"run"} & set(names) if run is not None else set()
    required = [n for n in dict.fromkeys([*names, *file.row_filter.columns]) if n not in known]
    events = file.row_filter.apply(opened.read(required, groups))
    if known:
        events = events.append_column("run", pa.repeat(pa.scalar(run, pa.string()), len(events)))
    return events.select(list(names))


def _find_groups(file: ParquetFile, row_filter: RowFilter) -> list[int]:
    """Return the row groups that may have matching events, according to their statistics."""
    groups = range(file.metadata.num_row_groups)
    columns = row_filter.columns
    if not columns:
        return list(groups)

    def limits(group: int, name: str) -> Any:
        return find_limits(find_statistics(file, group, name)) if name in columns else None

    return [g for g in groups if row_filter.may_match(limits(g, "step"), limits(g, "seq"))]


class _Candidate(NamedTuple):
    """A row group that may have extreme events.

    Attributes:
        bound: A key that is not above that of any of its events.
        number: The number of its file.
        group: The number of the row group.
    """

    bound: Key
    number: int
    group: int


def _read_extremes(
    files: Sequence[_File], columns: _KnownSchemas, select: Prefilter, extremes: Extremes
) -> list[ScanResult] | None:
    """Return the extreme events of each file, as far as they may be among those of all files.

    Args:
        files: The files.
        columns: Which columns to read.
        select: Returns the extreme ones of some events.
        extremes: Which events these are.

    Returns:
        The results; None if the values aren't numbers in all files.
    """

    def open_file(numbered: tuple[int, _File]) -> tuple[pa.Schema, list[_Candidate]]:
        number, file = numbered
        with open_part(file.path) as opened:
            schema, names = columns.find(opened.schema_arrow)
            if extremes.column not in names or not _has_numbers(schema, extremes.column):
                return schema, []
            bounds = {
                group: extremes.bound(opened, group, file.source.run)
                for group in _find_groups(opened, file.row_filter)
            }
        found = [_Candidate(bound, number, g) for g, bound in bounds.items() if bound is not None]
        return schema, found

    def read_group(candidate: _Candidate) -> pa.Table:
        file = files[candidate.number]
        with open_part(file.path) as opened:
            _, names = columns.find(opened.schema_arrow)
            return select(_read_groups(opened, [candidate.group], file, names))

    outlines = _map_in_threads(open_file, list(enumerate(files)))
    if not all(_has_numbers(schema, extremes.column) for schema, _ in outlines):
        return None
    candidates = sorted(candidate for _, of_file in outlines for candidate in of_file)
    events: list[list[pa.Table]] = [[] for _ in files]
    keys: list[Key] = []
    start, count = 0, _THREADS
    while start < len(candidates):
        if len(keys) == extremes.size and candidates[start].bound > keys[-1]:
            break
        chosen = candidates[start : start + count]
        for candidate, found in zip(chosen, _map_in_threads(read_group, chosen), strict=True):
            events[candidate.number].append(found)
            keys += extremes.keys(found)
        keys = sorted(keys)[: extremes.size]
        start, count = start + count, 2 * count
    return [
        ScanResult(schema, pa.concat_tables(of_file) if of_file else pa.table({}))
        for (schema, _), of_file in zip(outlines, events, strict=True)
    ]


def _has_numbers(schema: pa.Schema, name: str) -> bool:
    """Whether a column holds numbers, or doesn't exist."""
    index = schema.get_field_index(name)
    return index < 0 or holds_numbers(schema.field(index).type)


def _map_in_threads(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return the results in order. Threads help because Arrow releases the GIL while it reads."""
    size = -(-len(items) // (_THREADS * _CHUNKS_PER_THREAD))
    if len(items) < 2:
        return [function(item) for item in items]
    chunks = [items[start : start + size] for start in range(0, len(items), size)]
    with ThreadPoolExecutor(min(_THREADS, len(chunks))) as pool:
        done = pool.map(lambda chunk: [function(item) for item in chunk], chunks)
        return [result for chunk in done for result in chunk]
