"""Where the events of one type of one writer are: in Parquet files, and in the journal beyond."""

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
from logflume.query.row_filter import Limits, RowFilter
from logflume.query.run_snapshot import Snapshot
from logflume.values.arrow import widen

__all__ = ["ScanResult", "Source", "find_sources", "read_sources"]

Choose: TypeAlias = Callable[[Sequence[str]], Sequence[str]]
Shrink: TypeAlias = Callable[[pa.Table], pa.Table]
Item = TypeVar("Item")
Result = TypeVar("Result")

_THREADS = min(8, os.cpu_count() or 1)
_MANY_ROWS = 10_000
"""So many are worth being made fewer before they are put together."""

_SLICES = 8
"""Pieces of work a thread: few, for each costs time, and enough to end together."""


class Source(NamedTuple):
    """Events of one type and writer.

    Attributes:
        run: The run's id; None where nothing tells.
        files: Parquet files, in order.
        journaled: What is only in the journal, if there is something.
    """

    run: str | None
    files: Sequence[Path]
    journaled: pa.Table | None


class ScanResult(NamedTuple):
    """What was asked for.

    Attributes:
        schema: All columns that there are.
        events: The events, with the columns that were asked for.
    """

    schema: pa.Schema
    events: pa.Table


def find_sources(snapshots: Sequence[Snapshot], event_type: str) -> list[Source]:
    """Return where the events of a type are, by writer."""
    return [
        Source(snapshot.run, snapshot.files(event_type), snapshot.journaled(event_type))
        for snapshot in snapshots
    ]


def read_sources(
    sources: Sequence[Source],
    choose: Choose,
    wish: Callable[[Source], RowFilter],
    shrink: Shrink | None = None,
) -> list[ScanResult]:
    """Return by source the events that are asked for.

    Args:
        sources: The sources.
        choose: Returns those of the columns of a file that are asked for.
        wish: Returns which events of a source are.
        shrink: Makes what was read of each file smaller; None: nothing does.
    """

    def read(asked: tuple[Path, Source]) -> ScanResult:
        path, source = asked
        found = _read_file(path, source.run, choose, wish(source))
        if shrink is None or len(found.events) < _MANY_ROWS:
            return found
        return found._replace(events=shrink(found.events))

    asked = [(path, source) for source in sources for path in source.files]
    pieces = iter(_in_threads(read, asked))
    answers = []
    for source in sources:
        found = list(islice(pieces, len(source.files)))
        if source.journaled is not None:
            events = wish(source).choose(source.journaled)
            names = choose(events.column_names)
            found.append(ScanResult(events.schema, events.select(names)))
        answers.append(join(found))
    return answers


def join(found: Sequence[ScanResult]) -> ScanResult:
    """Return the same as one."""
    if len(found) == 1:
        return found[0]
    schema = join_schemas(one.events.schema for one in found)
    tables = [widen(one.events, schema) for one in found]
    events = pa.concat_tables([schema.empty_table(), *tables])
    return ScanResult(join_schemas(one.schema for one in found), events)


def _read_file(path: Path, run: str | None, choose: Choose, wish: RowFilter) -> ScanResult:
    """Return the events that are asked for; row groups without such are skipped unread.

    A run's id is the same in all of its files: it is not read where it is known. A file whose name
    tells that it has none of the events is not opened.
    """
    part = Part.of_name(path.name, -1, -1)
    if not wish.may_be_among(None, (part.first_seq, part.last_seq)):
        return ScanResult(pa.schema([]), pa.table({}))
    with open_part(path) as file:
        schema = file.schema_arrow
        names = list(choose(schema.names))
        known = {"run"} & set(names) if run is not None else set()
        needed = [n for n in dict.fromkeys([*names, *wish.columns]) if n not in known]
        groups = _find_groups(file.metadata, wish)
        events = file.read_row_groups(groups, columns=needed, use_threads=False)
    events = wish.choose(events)
    if known:
        events = events.append_column("run", pa.repeat(pa.scalar(run, pa.string()), len(events)))
    return ScanResult(schema, events.select(names))


def _find_groups(footer: pq.FileMetaData, wish: RowFilter) -> list[int]:
    """Return the row groups that may have what is asked for, as their statistics tell."""
    groups = range(footer.num_row_groups)
    if not wish.columns:
        return list(groups)
    step, seq = (_find_column(footer, n) if n in wish.columns else None for n in ("step", "seq"))
    return [
        group
        for group in groups
        if wish.may_be_among(_limits(footer, group, step), _limits(footer, group, seq))
    ]


def _find_column(footer: pq.FileMetaData, name: str) -> int:
    """Return the place of a column; those that every event has are among the first."""
    columns = (footer.schema.column(index).path for index in range(footer.num_columns))
    return next(index for index, path in enumerate(columns) if path == name)


def _limits(footer: pq.FileMetaData, group: int, column: int | None) -> Limits:
    statistics: Any = None
    if column is not None:
        statistics = footer.row_group(group).column(column).statistics
    if statistics is None or not statistics.has_min_max:
        return None
    return statistics.min, statistics.max


def _in_threads(do: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return the results in order. Arrow reads without the interpreter's lock."""
    size = -(-len(items) // (_THREADS * _SLICES))
    if len(items) < 2:
        return [do(item) for item in items]
    slices = [items[start : start + size] for start in range(0, len(items), size)]
    with ThreadPoolExecutor(min(_THREADS, len(slices))) as pool:
        done = pool.map(lambda some: [do(item) for item in some], slices)
        return [result for some in done for result in some]
