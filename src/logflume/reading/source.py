"""Where the events of one type of one writer are: in Parquet files, and in the journal beyond."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from logflume.reading.columns import join_schemas, to_schema
from logflume.reading.snapshot import Snapshot
from logflume.reading.wish import Limits, Wish

__all__ = ["Source", "find_sources", "read_sources"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_THREADS = min(8, os.cpu_count() or 1)


class Source:
    """Events of one type and writer.

    Args:
        run: The run's id, if it is known.
        parts: Parquet files, in order.
        journaled: What is only in the journal, if there is something.

    Attributes:
        run: As given.
        parts: The files.
        journaled: As given.
    """

    def __init__(
        self, run: str | None, parts: Sequence[PartFile], journaled: pa.Table | None
    ) -> None:
        self.run = run
        self.parts = parts
        self.journaled = journaled

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns of all; there are none if there are no events."""
        # When columns are added the newest part is the first to have them.
        schemas = [part.schema for part in self.parts[-1:]]
        return join_schemas(schemas + ([] if self.journaled is None else [self.journaled.schema]))


class PartFile:
    """A Parquet file. Its footer is read once.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def schema(self) -> pa.Schema:
        """Its columns."""
        return self._footer.schema.to_arrow_schema()

    def read(self, columns: Sequence[str], wish: Wish) -> pa.Table:
        """Return the events that are asked for, with those of the columns that are here.

        Row groups without such events are not read, as the footer tells.
        """
        here = [name for name in columns if name in self.schema.names]
        needed = list(dict.fromkeys([*here, *wish.columns]))
        groups = [g for g in range(self._footer.num_row_groups) if self._may_have(g, wish)]
        with pq.ParquetFile(self._path, metadata=self._footer) as file:
            events = file.read_row_groups(groups, columns=needed, use_threads=False)
        return wish.choose(events).select(here)

    @cached_property
    def _footer(self) -> pq.FileMetaData:
        return pq.read_metadata(self._path)

    def _may_have(self, group: int, wish: Wish) -> bool:
        if not wish.columns:
            return True
        return wish.may_be_among(self._limits(group, "step"), self._limits(group, "seq"))

    def _limits(self, group: int, column: str) -> Limits:
        statistics: Any = self._footer.row_group(group).column(self._places[column]).statistics
        if statistics is None or not statistics.has_min_max:
            return None
        return statistics.min, statistics.max

    @cached_property
    def _places(self) -> dict[str, int]:
        return {self._footer.schema.column(i).path: i for i in range(self._footer.num_columns)}


def find_sources(snapshots: Sequence[Snapshot], event_type: str) -> list[Source]:
    """Return where the events of a type are, by writer."""

    def find(snapshot: Snapshot) -> Source:
        parts = [PartFile(path) for path in snapshot.files(event_type)]
        source = Source(snapshot.run, parts, snapshot.journaled(event_type))
        source.schema  # noqa: B018 - its file is opened by this thread
        return source

    return _in_threads(find, snapshots)


def read_sources(
    sources: Sequence[Source], columns: Sequence[str], wish: Callable[[Source], Wish]
) -> list[pa.Table]:
    """Return by source the events that are asked for, with those of the columns that are there.

    Args:
        sources: The sources.
        columns: Names of columns.
        wish: Returns what is asked for of a source.
    """
    parts = [(part, wish(source)) for source in sources for part in source.parts]
    tables = iter(_in_threads(lambda asked: asked[0].read(columns, asked[1]), parts))
    return [
        _join(source, list(islice(tables, len(source.parts))), columns, wish(source))
        for source in sources
    ]


def _join(source: Source, tables: list[pa.Table], columns: Sequence[str], wish: Wish) -> pa.Table:
    schema = source.schema
    schema = pa.schema([schema.field(name) for name in columns if name in schema.names])
    if source.journaled is not None:
        tables.append(wish.choose(source.journaled))
    return pa.concat_tables([schema.empty_table(), *(to_schema(table, schema) for table in tables)])


def _in_threads(do: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return the results in order. Arrow reads without the interpreter's lock."""
    items = list(items)
    if len(items) < 2:
        return [do(item) for item in items]
    with ThreadPoolExecutor(min(_THREADS, len(items))) as pool:
        return list(pool.map(do, items))
