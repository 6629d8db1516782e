"""Finds the records that an ended worker process wrote, but did not acknowledge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from logflume.config.model import Config
from logflume.config.registry import is_journal_sink
from logflume.events.reserved import is_type_name
from logflume.events.times import format_time
from logflume.pipeline.build import build_sink
from logflume.pipeline.records import Dropped, RecordColumns, count_records
from logflume.protocols import Event, Journal, Position
from logflume.runs.info import RunInfo

__all__ = ["find_first_seq", "read_journal_from", "remove_written"]

Items = Sequence[RecordColumns | Dropped]


def read_journal_from(config: Config, run: RunInfo, first: Position) -> list[Event] | None:
    """Return the events of an attempt in its journal, from a position on.

    Opening the journal removes a torn last line. None: the run has no journal.

    Raises:
        RunError, OSError, MemoryError: The journal can't be read now.
    """
    for name, sink in config.sinks.items():
        if not is_journal_sink(name, sink):
            continue
        journal = build_sink(name, sink, {"run": run, "metrics": config.metrics})
        if not isinstance(journal, Journal):
            continue
        try:
            return [event for batch in journal.read(run, first) for event in batch]
        finally:
            journal.close()
    return None


def find_first_seq(items: Items, events: Sequence[Event] | None, seq: int) -> int:
    """Return a `seq` that no event of the attempt has.

    Args:
        items: What was sent and not acknowledged.
        events: The events of the journal from `seq` on. Without a journal (None), each of these
            records may have become an event.
        seq: The `seq` up to which events are acknowledged.
    """
    if events is None:
        return seq + count_records(items)
    return max([seq, *(int(event["seq"]) + 1 for event in events)])


def remove_written(items: Items, events: Iterable[Event] | None) -> list[RecordColumns | Dropped]:
    """Return the items without the records whose events a journal has.

    Records are written in order, so everything up to the last record that has its event in the
    journal was written. A record and its event have the time and the event type in common.

    Args:
        items: Records that were sent, in order.
        events: The events of the journal from the first of these records on.
    """
    found = Counter((event["timestamp"], event["event"]) for event in events or ())
    last: tuple[int, int] | None = None
    for index, item in enumerate(items):
        if isinstance(item, Dropped):
            continue
        event_type = item.event if is_type_name(item.event) else "message"
        for row, time_ns in enumerate(item.times_ns):
            key = (format_time(time_ns), event_type)
            if found[key] > 0:
                found[key] -= 1
                last = (index, row)
    if last is None:
        return list(items)
    index, row = last
    partial = items[index]
    assert isinstance(partial, RecordColumns)
    rest = _from_row(partial, row + 1)
    return [*([rest] if rest.times_ns else []), *items[index + 1 :]]


def _from_row(item: RecordColumns, row: int) -> RecordColumns:
    return item._replace(
        times_ns=item.times_ns[row:],
        steps=item.steps[row:],
        modes=item.modes[row:],
        columns=[column[row:] for column in item.columns],
    )
