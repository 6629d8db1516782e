"""What the buffer holds: log calls, and what stands for several of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

__all__ = ["Batch", "Call", "Deferred", "Item", "Lost", "Position", "Record", "events_in"]

Position: TypeAlias = tuple[int | None, str | None]
"""Step and mode, as `set_step` gives them."""


class Record(NamedTuple):
    """One log call, as it leaves the caller's thread.

    Attributes:
        time_ns: When the call was made, nanoseconds since 1970 UTC.
        logger: Name of the logger.
        level: Name of the level.
        event: First argument of the call.
        context: Context variables and bound context, snapshotted; shared by many records.
        fields: Keyword arguments, snapshotted; where both have a name, these win.
        position: Step and mode at the time of the call, from `set_step`.
    """

    time_ns: int
    logger: str
    level: str
    event: str
    context: Mapping[str, Any]
    fields: dict[str, Any]
    position: Position


Call: TypeAlias = tuple[
    int, str, str, str, Mapping[str, Any], dict[str, Any], tuple[int | None, str | None]
]
"""A record as a plain tuple: it takes the caller a third of the time to make."""


class Deferred(NamedTuple):
    """Several events of one moment, made on the worker: the caller pays for one record.

    Attributes:
        time_ns, position: As those of a `Record`.
        entries: Gives logger, type and fields of each event. What it reads is snapshotted.
        events: How many that will be, for the count if they are dropped.
    """

    time_ns: int
    position: Position
    entries: Callable[[], Iterable[tuple[str, str, dict[str, Any]]]]
    events: int

    def records(self) -> list[Record]:
        """Return the events as records of level info."""
        return [
            Record(self.time_ns, logger, "info", event, {}, fields, self.position)
            for logger, event, fields in self.entries()
        ]


class Batch(NamedTuple):
    """Items that another process sends; `written` is called when the sinks have their events."""

    items: list[Item]
    written: Callable[[], None]


class Lost:
    """Stands in the buffer where records were dropped, so that `seq` has its gap right there."""

    __slots__ = ("count",)

    def __init__(self, count: int) -> None:
        self.count = count


Item: TypeAlias = Call | Record | Deferred | Lost | Batch


def events_in(*items: Item) -> int:
    """Return for how many events items of the buffer stand."""
    if set(map(type, items)) <= {tuple, Record}:
        return len(items)
    return sum(map(_events_in, items))


def _events_in(item: Item) -> int:
    if isinstance(item, Lost):
        return item.count
    if isinstance(item, Batch):
        return events_in(*item.items)
    return item.events if isinstance(item, Deferred) else 1
