"""Where the events of one type are: Parquet files of one schema, and what journals have beyond."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from logflume.reading.columns import join_schemas, to_schema
from logflume.reading.snapshot import Snapshot

__all__ = ["Source", "find_source", "merge"]


class Source(NamedTuple):
    """Events of one type.

    Attributes:
        files: Parquet files.
        stored: Their schema; of no columns if there are none.
        journaled: What is only in a journal, if there is something.
    """

    files: Sequence[Path]
    stored: pa.Schema
    journaled: pa.Table | None

    @property
    def schema(self) -> pa.Schema:
        """The columns of both."""
        return (
            self.stored
            if self.journaled is None
            else join_schemas([self.stored, self.journaled.schema])
        )

    def read(self, columns: Sequence[str], where: pc.Expression) -> pa.Table:
        """Return the rows that are wanted, with those of the columns that are here."""
        schema = self.schema
        schema = pa.schema([schema.field(name) for name in columns if name in schema.names])
        tables = [schema.empty_table()]
        if self.files:
            here = [name for name in schema.names if name in self.stored.names]
            stored = ds.dataset(self.files, schema=self.stored)
            tables.append(stored.to_table(columns=here, filter=where))
        if self.journaled is not None:
            tables.append(self.journaled.filter(where))
        return pa.concat_tables([to_schema(table, schema) for table in tables])


def find_source(snapshot: Snapshot, event_type: str) -> Source:
    """Return where a writer's events of a type are."""
    files = snapshot.files(event_type)
    # When columns are added the newest part is the first to have them.
    stored = pq.read_schema(files[-1]) if files else pa.schema([])
    return Source(files, stored, snapshot.journaled(event_type, stored))


def merge(sources: Iterable[Source]) -> list[Source]:
    """Return the same with the files of one schema together: they are read at once."""
    files: dict[tuple[tuple[str, str], ...], tuple[list[Path], pa.Schema]] = {}
    rest = []
    for source in sources:
        key = tuple((field.name, str(field.type)) for field in source.stored)
        files.setdefault(key, ([], source.stored))[0].extend(source.files)
        if source.journaled is not None:
            rest.append(Source((), pa.schema([]), source.journaled))
    return [Source(some, schema, None) for some, schema in files.values()] + rest
