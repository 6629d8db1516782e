"""Arrow tables of the events that only the journals have, converted for many writers at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from logflume.formats.parquet import open_part
from logflume.protocols import Event
from logflume.query.columns import with_columns
from logflume.query.run_snapshot import Snapshot
from logflume.values.arrow import Columns, find_stored_kind, widen
from logflume.values.kinds import Kind

__all__ = ["JournalEvents", "convert_journals", "read_journal_tables"]

_CHUNK_EVENTS = 10_000


class JournalEvents:
    """The events of one type that Parquet lacks, of one writer.

    Args:
        snapshot: The events of the writer.
        event_type: The type.

    Attributes:
        event_type: As given.
        is_converted: Whether `convert_journals` has read them.
        table: The events; None if there are none.
    """

    def __init__(self, snapshot: Snapshot, event_type: str) -> None:
        self.event_type = event_type
        self.is_converted = False
        self.table: pa.Table | None = None
        self._snapshot = snapshot

    def read(self) -> Iterator[Event]:
        """Yield the events."""
        return self._snapshot.journal_events(self.event_type)

    def put(self, table: pa.Table) -> None:
        """Store the table, with the name that the run has in query results."""
        if self._snapshot.is_renamed:
            names = pa.repeat(pa.scalar(self._snapshot.run, pa.string()), len(table))
            table = with_columns(table, {"run": names})
        self.table = table


def convert_journals(journals: Sequence[tuple[JournalEvents, pa.Schema | None]]) -> None:
    """Convert the events of many writers to tables, in as few conversions as possible.

    Each conversion has a fixed cost, and most writers of a large run have few events.

    Args:
        journals: The events of one type, each with the schema of the writer's newest Parquet part,
            None if it has none. Those already converted are skipped.
    """
    batches: list[_Batch] = []
    for journal, schema in journals:
        if journal.is_converted:
            continue
        journal.is_converted = True
        events = journal.read()
        first = list(islice(events, _CHUNK_EVENTS))
        if len(first) == _CHUNK_EVENTS:
            journal.put(_convert(journal.event_type, schema, chain(first, events)))
        elif first:
            batch = next((one for one in batches if one.has_schema(schema)), None)
            if batch is None:
                batches.append(batch := _Batch(schema))
            batch.add(journal, first)
    for batch in batches:
        batch.convert()


def read_journal_tables(snapshots: Sequence[Snapshot], event_type: str) -> list[pa.Table]:
    """Return the events of a type that only the journals have: one table for each schema."""
    journals = [JournalEvents(snapshot, event_type) for snapshot in snapshots]
    schemas = [_newest_schema(snapshot.files(event_type)) for snapshot in snapshots]
    convert_journals(list(zip(journals, schemas, strict=True)))
    groups: list[list[pa.Table]] = []
    for table in (journal.table for journal in journals if journal.table is not None):
        group = next((one for one in groups if one[0].schema.equals(table.schema)), None)
        if group is None:
            groups.append([table])
        else:
            group.append(table)
    return [pa.concat_tables(group) for group in groups]


def _newest_schema(files: Sequence[Path]) -> pa.Schema | None:
    for path in files[-1:]:
        with open_part(path) as file:
            return file.schema_arrow
    return None


class _Batch:
    """Writers with few events each, whose Parquet parts have the same schema.

    Args:
        schema: The schema; None: they have no parts.
    """

    def __init__(self, schema: pa.Schema | None) -> None:
        self._schema = schema
        self._members: list[tuple[JournalEvents, list[Event]]] = []
        self._rows = 0

    def has_schema(self, schema: pa.Schema | None) -> bool:
        """Whether this is the schema."""
        if schema is None or self._schema is None:
            return schema is self._schema
        return bool(self._schema.equals(schema))

    def add(self, journal: JournalEvents, events: list[Event]) -> None:
        """Add a writer, and convert if there are many events by now."""
        self._members.append((journal, events))
        self._rows += len(events)
        if self._rows >= _CHUNK_EVENTS:
            self.convert()

    def convert(self) -> None:
        """Convert the events of all writers together, and give each writer its table."""
        members, self._members, self._rows = self._members, [], 0
        if not members:
            return
        event_type = members[0][0].event_type
        together = list(chain.from_iterable(events for _, events in members))
        table = _convert(event_type, self._schema, together)
        # A field that is a number of one writer and a text of another fits only one's columns.
        own_extras = [event.get("extras") for event in together]
        if len(members) > 1 and own_extras != table["extras"].to_pylist():
            for journal, events in members:
                journal.put(_convert(event_type, self._schema, events))
            return
        starts = accumulate((len(events) for _, events in members), initial=0)
        for (journal, events), start in zip(members, starts, strict=False):
            journal.put(table.slice(start, len(events)))


def _convert(event_type: str, schema: pa.Schema | None, events: Iterable[Event]) -> pa.Table:
    columns = Columns(event_type, {} if schema is None else _kinds(schema))
    remaining = iter(events)
    chunks = iter(lambda: list(islice(remaining, _CHUNK_EVENTS)), [])
    tables = [columns.to_table(chunk) for chunk in chunks]
    return pa.concat_tables([widen(table, columns.schema) for table in tables])


def _kinds(schema: Iterable[pa.Field[Any]]) -> dict[str, Kind]:
    kinds = {field.name: find_stored_kind(field.name, field.type) for field in schema}
    return {name: kind for name, kind in kinds.items() if kind is not None}
