"""Which events go to which sinks."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from logflume.events.reserved import LEVELS
from logflume.protocols import Event

T = TypeVar("T")
Target = TypeVar("Target", bound=Hashable)

__all__ = ["Route", "Router", "find_by_prefix"]


class Route(msgspec.Struct, Generic[Target], frozen=True):
    """What one sink wants.

    Attributes:
        target: Where its events go: its lane, or what else stands for it.
        level: Number of the lowest level that it takes.
        events: The event types it takes; None takes all.
    """

    target: Target
    level: int
    events: Collection[str] | None


class Router(Generic[Target]):
    """Sorts a batch of events by sink.

    Args:
        routes: The routes of each logger by its name; `""` is the root, for all other loggers.
            A logger `a.b` without routes of its own takes those of `a`.
    """

    def __init__(self, routes: Mapping[str, Sequence[Route[Target]]]) -> None:
        self._routes = routes
        self._found: dict[tuple[str, str, str], tuple[Target, ...]] = {}

    def sort(self, events: Sequence[Event]) -> dict[Target, list[Event]]:
        """Return the events of each target, in order."""
        sorted_events: dict[Target, list[Event]] = {}
        for event in events:
            for target in self.targets(event):
                sorted_events.setdefault(target, []).append(event)
        return sorted_events

    def targets(self, event: Event) -> tuple[Target, ...]:
        """Return where an event goes."""
        key = (event["logger"], event["event"], event["level"])
        targets = self._found.get(key)
        return self._find(*key) if targets is None else targets

    def _find(self, logger: str, event_type: str, level: str) -> tuple[Target, ...]:
        routes = find_by_prefix(self._routes, logger)
        number = LEVELS.get(level, 20)
        targets = tuple(
            route.target
            for route in routes
            if number >= route.level and (route.events is None or event_type in route.events)
        )
        if len(self._found) < 10_000:
            self._found[(logger, event_type, level)] = targets
        return targets


def find_by_prefix(table: Mapping[str, T], name: str) -> T:
    """Return the entry of a dotted name, of its nearest parent, or of the root `""`.

    >>> find_by_prefix({"": 0, "training": 1}, "training.loop")
    1
    """
    while name and name not in table:
        name = name.rpartition(".")[0]
    return table[name]
