"""Events by column: a batch that is stored in columns, and access by column to any batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, overload

from logflume.protocols import Event

__all__ = ["EventColumns", "join", "rows", "transpose"]


class EventColumns(Sequence[Event]):
    """Finished events of one type with the same fields, by column.

    It can be used like any other batch: reading an event creates its dict. A sink that writes
    columns reads `columns` instead, or calls `transpose`, which reads them.

    Args:
        columns: The values of each field, one for each event; at least one field.

    Attributes:
        columns: The same.

    Example:
        >>> events = EventColumns({"step": [1, 2], "loss": [0.5, 0.25]})
        >>> len(events), events[1]
        (2, {'step': 2, 'loss': 0.25})
    """

    __slots__ = ("columns",)

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @overload
    def __getitem__(self, index: int) -> Event: ...

    @overload
    def __getitem__(self, index: slice) -> EventColumns: ...

    def __getitem__(self, index: int | slice) -> Event | EventColumns:
        selected = {name: values[index] for name, values in self.columns.items()}
        return EventColumns(selected) if isinstance(index, slice) else selected

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return rows(self.columns)

    def views(self) -> Iterator[Event]:
        """Yield the events as views without creating dicts, for readers of a few fields."""
        for index in range(len(self)):
            yield _View(self.columns, index)


class _View(Mapping[str, Any]):
    """One event of an `EventColumns`."""

    __slots__ = ("_columns", "_index")

    def __init__(self, columns: Mapping[str, Sequence[Any]], index: int) -> None:
        self._columns = columns
        self._index = index

    def __getitem__(self, name: str) -> Any:
        return self._columns[name][self._index]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


def rows(columns: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Yield the dict of each row.

    >>> list(rows({"step": [1, 2], "loss": [0.5, 0.25]}))
    [{'step': 1, 'loss': 0.5}, {'step': 2, 'loss': 0.25}]
    """
    names = tuple(columns)
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(names, values, strict=True))


def join(batches: Sequence[Sequence[Event]]) -> Sequence[Event]:
    """Return the events of several batches as one: by column if all are, with the same fields.

    >>> join([EventColumns({"loss": [0.5]}), EventColumns({"loss": [0.25]})]).columns
    {'loss': [0.5, 0.25]}
    """
    tables = [batch.columns for batch in batches if isinstance(batch, EventColumns)]
    is_same = len(tables) == len(batches) and len({tuple(columns) for columns in tables}) == 1
    if not is_same:
        return list(chain.from_iterable(batches))
    names = tables[0]
    return EventColumns({n: [*chain.from_iterable(c[n] for c in tables)] for n in names})


def transpose(events: Sequence[Event]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield each field name with its values, one per event; None where an event has no such field.

    >>> dict(transpose([{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]))
    {'step': (1, 2), 'loss': (0.5, 0.25)}
    """
    if isinstance(events, EventColumns):
        yield from events.columns.items()
        return
    names = tuple(events[0]) if events else ()
    if all(tuple(event) == names for event in events):
        # Fast path, three times as fast: all events have the same names.
        yield from zip(names, zip(*[event.values() for event in events], strict=True), strict=True)
        return
    for name in dict.fromkeys(chain.from_iterable(events)):
        yield name, [event.get(name) for event in events]
