"""Reads the events of Parquet parts, several at a time.

The parts aren't read as one `pyarrow.dataset`: a field may have different types in two runs, and
its fragments take one and a half times the CPU time of `ParquetFile` here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

import pyarrow as pa

from logflume.formats.parquet import Part, open_part
from logflume.formats.parquet_file import ParquetFile
from logflume.query.row_filter import RowFilter

__all__ = [
    "THREADS",
    "KnownSchemas",
    "PartFile",
    "Prefilter",
    "ScanResult",
    "SelectColumns",
    "find_groups",
    "find_limits",
    "map_in_threads",
    "read_groups",
    "read_parts",
]

SelectColumns: TypeAlias = Callable[[pa.Schema], Sequence[str]]
Prefilter: TypeAlias = Callable[[pa.Table], pa.Table]
Item = TypeVar("Item")
Result = TypeVar("Result")

THREADS = min(8, os.cpu_count() or 1)

_PREFILTER_ROWS = 10_000
"""Minimum number of rows for which prefiltering a part pays off."""

_SMALL_ROWS = 1_000
_MERGED_PARTS = 64
"""Number of small parts whose rows are copied to one table. Each table has a cost, also in memory:
the allocations of a thousand small ones leave no room for the next."""

_CHUNKS_PER_THREAD = 8
"""Few, because each chunk has a cost, but enough for all threads to finish together."""


class ScanResult(NamedTuple):
    """The result of reading a part, or all of a writer's.

    Attributes:
        schema: All available columns.
        events: The matching events, with the selected columns.
    """

    schema: pa.Schema
    events: pa.Table


class PartFile(NamedTuple):
    """A Parquet part, and which of its events to read.

    Attributes:
        path: The file.
        run: The run that its events are of; None: unknown.
        row_filter: Selects the events.
        is_newest: Whether it is the newest part of its writer, so that it has all columns so far.
        schema: Its columns, if they are known.
    """

    path: Path
    run: str | None
    row_filter: RowFilter
    is_newest: bool
    schema: pa.Schema | None

    @property
    def is_large(self) -> bool:
        """Whether prefiltering it pays off, according to its name."""
        rows = Part.of_name(self.path.name).rows
        return rows < 0 or rows >= _PREFILTER_ROWS

    @property
    def may_match(self) -> bool:
        """Whether it may have matching events, according to its name."""
        if self.row_filter.seqs is None and not self.row_filter.min_seq:
            return True
        part = Part.of_name(self.path.name)
        return self.row_filter.may_match(None, (part.first_seq, part.last_seq))


class KnownSchemas:
    """The different schemas found so far: a thousand ranks have only a few.

    Args:
        select_columns: Returns which of a part's columns to read. Called once for all parts with
            equal schemas.
    """

    def __init__(self, select_columns: SelectColumns) -> None:
        self._select_columns = select_columns
        self._known: list[tuple[pa.Schema, list[str]]] = []

    def find(self, schema: pa.Schema) -> tuple[pa.Schema, list[str]]:
        """Return the first schema that equals this one, and the columns to read."""
        for known in self._known:
            if known[0] is schema or known[0].equals(schema):
                return known
        found = schema, list(self._select_columns(schema))
        self._known.append(found)
        return found


def read_parts(
    files: Sequence[PartFile], columns: KnownSchemas, prefilter: Prefilter | None
) -> list[ScanResult]:
    """Return the matching events of each part.

    Args:
        files: The parts.
        columns: Which columns to read.
        prefilter: Reduces the events of a large part; None: they are kept as they are.
    """
    size = min(_MERGED_PARTS, -(-len(files) // (THREADS * _CHUNKS_PER_THREAD)))
    stretches = [files[start : start + size] for start in range(0, len(files), max(size, 1))]
    read = map_in_threads(lambda some: _read_stretch(some, columns, prefilter), stretches)
    return [result for of_stretch in read for result in of_stretch]


class _Piece(NamedTuple):
    """What was read of a part.

    Attributes:
        file: The part.
        schema: All of its columns; empty if they don't matter.
        names: The columns to return.
        events: The matching events, without the column `run` where it is known.
        is_reduced: Whether `events` are already reduced, and have all columns to return.
    """

    file: PartFile
    schema: pa.Schema
    names: list[str]
    events: pa.Table
    is_reduced: bool = False

    @property
    def is_small(self) -> bool:
        return not self.is_reduced and 0 < len(self.events) <= _SMALL_ROWS

    @property
    def merges_with(self) -> tuple[Any, ...]:
        """Small pieces that are equal in this can be one table."""
        return id(self.names), self.file.run is None, self.is_small or self.file.path


def _read_stretch(
    files: Sequence[PartFile], columns: KnownSchemas, prefilter: Prefilter | None
) -> list[ScanResult]:
    pieces = (_read_part(file, columns, prefilter) for file in files)
    results: list[ScanResult] = []
    for _, group in groupby(pieces, lambda piece: piece.merges_with):
        results += [ScanResult(piece.schema, events) for piece, events in _complete(list(group))]
    return results


def _complete(pieces: Sequence[_Piece]) -> Iterator[tuple[_Piece, pa.Table]]:
    """Yield pieces with their selected columns, `run` included, as parts of one table."""
    first = pieces[0]
    if not first.names or first.is_reduced:
        yield from ((piece, piece.events) for piece in pieces)
        return
    events = first.events
    if len(pieces) > 1:
        events = pa.concat_tables([piece.events for piece in pieces]).combine_chunks()
    if "run" in first.names and first.file.run is not None:
        runs = [pa.repeat(pa.scalar(run, pa.string()), n) for run, n in _count_runs(pieces)]
        events = events.append_column("run", pa.chunked_array(runs, pa.string()).combine_chunks())
    events = events.select(first.names)
    if len(pieces) == 1:
        yield first, events
        return
    starts = accumulate((len(piece.events) for piece in pieces), initial=0)
    for piece, start in zip(pieces, starts, strict=False):
        yield piece, events.slice(start, len(piece.events))


def _count_runs(pieces: Sequence[_Piece]) -> Iterator[tuple[str | None, int]]:
    """Yield each run, with the number of its events."""
    for run, of_run in groupby(pieces, lambda piece: piece.file.run):
        yield run, sum(len(piece.events) for piece in of_run)


def _read_part(file: PartFile, columns: KnownSchemas, prefilter: Prefilter | None) -> _Piece:
    """Return the matching events of a part, skipping row groups without any.

    Of a part whose name rules out matching events, only the schema is read, and only if it is the
    newest one: the other columns of events that are selected one by one don't depend on the rank.
    """
    if not file.may_match:
        if not file.is_newest or file.row_filter.seqs is None:
            return _Piece(file, pa.schema([]), [], pa.table({}))
        if (schema := file.schema) is None:
            with open_part(file.path) as opened:
                schema = opened.schema_arrow
        return _Piece(file, columns.find(schema)[0], [], pa.table({}))
    with open_part(file.path) as opened:
        schema, names = columns.find(opened.schema_arrow)
        groups = find_groups(opened, file.row_filter)
        is_reduced = prefilter is not None or bool(file.row_filter.columns)
        if not is_reduced or opened.metadata.num_rows < _PREFILTER_ROWS:
            return _Piece(file, schema, names, _read_needed(opened, groups, file, names))
        # Of all the rows of a large part, only those of a few row groups are in memory at a time.
        some = (read_groups(opened, adjacent, file, columns) for adjacent in _split(opened, groups))
        reduced = [events if prefilter is None else prefilter(events) for events in some]
        return _Piece(file, schema, names, pa.concat_tables(reduced), is_reduced=True)


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


def _read_needed(
    opened: ParquetFile, groups: Sequence[int], file: PartFile, names: Sequence[str]
) -> pa.Table:
    """Return the matching events of some row groups, with the columns that are read for them.

    The run's id is the same in all parts of a run, so the column isn't read where it is known.
    """
    needed = dict.fromkeys([*names, *file.row_filter.columns])
    if file.run is not None:
        needed.pop("run", None)
    return file.row_filter.apply(opened.read(list(needed), groups))


def read_groups(
    opened: ParquetFile, groups: Sequence[int], file: PartFile, columns: KnownSchemas
) -> pa.Table:
    """Return the matching events of some row groups of a part."""
    schema, names = columns.find(opened.schema_arrow)
    events = _read_needed(opened, groups, file, names)
    return next(_complete([_Piece(file, schema, names, events)]))[1]


def find_groups(file: ParquetFile, row_filter: RowFilter) -> list[int]:
    """Return the row groups that may have matching events, according to their statistics."""
    groups = range(file.metadata.num_row_groups)
    columns = row_filter.columns
    if not columns:
        return list(groups)

    def limits(group: int, name: str) -> Any:
        return find_limits(file.statistics(group, name)) if name in columns else None

    return [g for g in groups if row_filter.may_match(limits(g, "step"), limits(g, "seq"))]


def find_limits(statistics: Any) -> tuple[Any, Any] | None:
    """Return the lowest and the highest value, according to statistics; None if unknown."""
    if statistics is None or not statistics.has_min_max:
        return None
    low, high = statistics.min, statistics.max
    return None if low != low or high != high else (low, high)


def map_in_threads(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return the results in order. Threads help because Arrow releases the GIL while it reads."""
    size = -(-len(items) // (THREADS * _CHUNKS_PER_THREAD))
    if len(items) < 2:
        return [function(item) for item in items]
    chunks = [items[start : start + size] for start in range(0, len(items), size)]
    with ThreadPoolExecutor(min(THREADS, len(chunks))) as pool:
        done = pool.map(lambda chunk: [function(item) for item in chunk], chunks)
        return [result for chunk in done for result in chunk]
