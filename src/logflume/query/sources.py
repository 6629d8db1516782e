"""Locates and reads the events of one type, in the Parquet parts and journals of all writers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from logflume.formats.parquet import Part
from logflume.query.columns import join_schemas
from logflume.query.extremes import Extremes, read_extremes
from logflume.query.journal_tables import JournalEvents, convert_journals
from logflume.query.part_files import (
    KnownSchemas,
    PartFile,
    Prefilter,
    ScanResult,
    SelectColumns,
    read_parts,
)
from logflume.query.row_filter import RowFilter
from logflume.query.run_snapshot import Snapshot
from logflume.values.arrow import widen

__all__ = ["Source", "read_sources"]


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
        select_columns: Returns which of a file's columns to read. Called once for all files with
            equal schemas.
        filter_for: Returns the row filter for a source.
        prefilter: Reduces the events read from each file; None: they are kept as they are.
        extremes: The events that `prefilter` selects, if it selects extreme ones. Row groups that
            can't have any of them aren't read.
    """
    columns = KnownSchemas(select_columns)
    files = [
        _part_file(path, source, filter_for(source)) for source in sources for path in source.files
    ]
    if extremes is None or prefilter is None:
        read = read_parts(files, columns, prefilter)
    else:
        read = _read_extremes(files, columns, prefilter, extremes)
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


def _part_file(path: Path, source: Source, row_filter: RowFilter) -> PartFile:
    if Part.of_name(path.name).rows < 0:  # it may have events of other types, too
        row_filter = row_filter._replace(event_type=source.journal.event_type)
    return PartFile(path, source.run, row_filter, path == source.files[-1], source.schema)


def _read_extremes(
    files: Sequence[PartFile], columns: KnownSchemas, prefilter: Prefilter, extremes: Extremes
) -> list[ScanResult]:
    """Return the events of each part that may be extreme: of a small part, all that match."""
    large = [file for file in files if file.is_large]
    of_large = read_extremes(large, columns, prefilter, extremes) if large else None
    if of_large is None:
        return read_parts(files, columns, prefilter)
    of_small = iter(read_parts([f for f in files if not f.is_large], columns, prefilter))
    rest = iter(of_large)
    return [next(rest if file.is_large else of_small) for file in files]


class _Join:
    """Joins the results of each source. Equal combinations of schemas are joined only once."""

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
        if key not in self._known:
            of_events = join_schemas(result.events.schema for result in results)
            are_equal = all(
                result.events.schema.equals(of_events)
                for result in results
                if result.events.num_columns
            )
            schema = join_schemas(result.schema for result in results)
            self._known[key] = schema, of_events, are_equal
        schema, of_events, are_equal = self._known[key]
        tables = [result.events for result in results if result.events.num_rows]
        if not are_equal:
            tables = [widen(table, of_events) for table in tables]
        if len(tables) == 1:
            return ScanResult(schema, tables[0])
        return ScanResult(schema, pa.concat_tables(tables) if tables else of_events.empty_table())
