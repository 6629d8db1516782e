"""Events by column, for sinks that write columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, TypeAlias

from logflume.protocols import Event

__all__ = ["Getter", "getter", "transpose"]


Getter: TypeAlias = Callable[[Mapping[str, Any]], tuple[Any, ...]]
"""Returns some values of a mapping."""


def getter(names: Sequence[str]) -> Getter:
    """Return what fetches the values of these names, always as a tuple.

    >>> getter(["loss"])({"loss": 0.5})
    (0.5,)
    """
    if len(names) > 1:
        return itemgetter(*names)
    return lambda fields: (fields[names[0]],) if names else ()


def transpose(events: Sequence[Event]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield each name that an event has, with its values, one an event; None where it lacks it.

    >>> dict(transpose([{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]))
    {'step': (1, 2), 'loss': (0.5, 0.25)}
    """
    names = tuple(events[0]) if events else ()
    if all(tuple(event) == names for event in events):
        # The usual case, and three times as fast.
        yield from zip(names, zip(*[event.values() for event in events], strict=True), strict=True)
        return
    for name in dict.fromkeys(chain.from_iterable(events)):
        yield name, [event.get(name) for event in events]
