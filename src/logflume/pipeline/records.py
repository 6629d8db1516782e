"""The items in the buffer: a record for each log call, and items that stand for several records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple, TypeAlias

__all__ = [
    "BufferItem",
    "DeferredRecords",
    "Dropped",
    "ReceivedBatch",
    "Record",
    "RecordColumns",
    "RecordTuple",
    "StepAndMode",
    "count_by_reason",
    "count_records",
    "item_bytes",
]

StepAndMode: TypeAlias = tuple[Any, Any]
"""Snapshots of the step and mode given to `set_step`; (None, None) before its first call."""


class Record(NamedTuple):
    """One log call, as it leaves the caller's thread.

    Attributes:
        time_ns: Time of the call, in nanoseconds since 1970 UTC.
        logger: Name of the logger.
        level: Name of the level.
        event: First argument of the call.
        context: Snapshot of context variables and bound context, shared by many records.
        fields: Snapshot of the keyword arguments; they take precedence over `context`.
        step_and_mode: Step and mode at the time of the call, from `set_step`.
        size_bytes: Approximate memory of texts and arrays; 0 if all values are numbers.
    """

    time_ns: int
    logger: str
    level: str
    event: str
    context: Mapping[str, Any]
    fields: dict[str, Any]
    step_and_mode: StepAndMode
    size_bytes: int = 0


RecordTuple: TypeAlias = tuple[
    int, str, str, str, Mapping[str, Any], dict[str, Any], StepAndMode, int
]
"""A record as a plain tuple, which the caller creates in a third of the time."""

_NO_CONTEXT: dict[str, Any] = {}


class RecordColumns(NamedTuple):
    """Records of one logger, level and event that have the same fields, by column.

    Attributes:
        logger, level, event: As in a `Record`.
        times_ns: The time of each record.
        steps: The step of each record, from `set_step`.
        modes: The mode of each record, from `set_step`.
        names: The names of the fields.
        columns: The values of each name, one for each record.
        size_bytes: Approximate memory of texts and arrays.
    """

    logger: str
    level: str
    event: str
    times_ns: Sequence[int]
    steps: Sequence[Any]
    modes: Sequence[Any]
    names: Sequence[str]
    columns: Sequence[Sequence[Any]]
    size_bytes: int = 0

    def records(self) -> Iterator[RecordTuple]:
        """Yield the records one by one."""
        rows = zip(*self.columns, strict=True) if self.names else repeat(())
        logger, level, event, names = self.logger, self.level, self.event, self.names
        for time_ns, step, mode, row in zip(self.times_ns, self.steps, self.modes, rows):  # noqa: B905
            fields = dict(zip(names, row, strict=True))
            yield (time_ns, logger, level, event, _NO_CONTEXT, fields, (step, mode), 0)


class DeferredRecords(NamedTuple):
    """Records of one moment that are created later: the caller pays for a single one.

    Attributes:
        time_ns, step_and_mode: As in a `Record`.
        make: Yields logger, event type and columns (by name, one value for each record) of the
            records. It reads snapshots only, because it is called later, in the training process,
            on the thread that takes records from the buffer.
        record_count: Number of records, for the count if they are dropped.
        size_bytes: Approximate memory.
    """

    time_ns: int
    step_and_mode: StepAndMode
    make: Callable[[], Iterable[tuple[str, str, Mapping[str, Sequence[Any]]]]]
    record_count: int
    size_bytes: int = 0

    def expand(self) -> list[RecordColumns]:
        """Create the records, at level info.

        Raises:
            Exception: Whatever `make` raises.
        """
        step, mode = self.step_and_mode
        made = []
        for logger, event, columns in self.make():
            count = len(next(iter(columns.values()), ()))
            made.append(
                RecordColumns(
                    logger,
                    "info",
                    event,
                    [self.time_ns] * count,
                    [step] * count,
                    [mode] * count,
                    list(columns),
                    list(columns.values()),
                )
            )
        return made


class Dropped:
    """Takes the place of dropped records in the buffer, so that `seq` has its gap there.

    Attributes:
        count: Number of records.
        reason: The reason for dropping them.
        size_bytes: 0.
    """

    __slots__ = ("count", "reason")

    size_bytes = 0

    def __init__(self, count: int, reason: str) -> None:
        self.count = count
        self.reason = reason


class ReceivedBatch(NamedTuple):
    """A batch of items that the training process sent.

    Attributes:
        items: The items, in order.
        on_written: Called with the `seq` of the next event once the sinks have the batch.
        size_bytes: Size of the message.
    """

    items: Sequence[RecordColumns | Dropped]
    on_written: Callable[[int], None]
    size_bytes: int = 0


BufferItem: TypeAlias = (
    RecordTuple | Record | RecordColumns | DeferredRecords | Dropped | ReceivedBatch
)


def item_bytes(item: BufferItem) -> int:
    """Return the approximate memory of the texts and arrays of an item."""
    return item[-1] if type(item) is tuple else item.size_bytes  # type: ignore[union-attr]


def count_records(items: Iterable[BufferItem]) -> int:
    """Return the number of records that items of the buffer stand for."""
    return sum(map(_count, items))


def count_by_reason(items: Iterable[BufferItem], reason: str) -> Counter[str]:
    """Return the number of records that are dropped with some items, by reason.

    The reason is `reason`, except for records that were dropped earlier: their `Dropped` has it.
    """
    counts: Counter[str] = Counter()
    for item in items:
        counts[item.reason if isinstance(item, Dropped) else reason] += _count(item)
    return +counts


def _count(item: BufferItem) -> int:
    match item:
        case Dropped():
            return item.count
        case DeferredRecords():
            return item.record_count
        case RecordColumns():
            return len(item.times_ns)
        case ReceivedBatch():
            return count_records(item.items)
        case _:
            return 1
