"""Routing of events to sinks by logger, level and event type."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from logflume.events.reserved import LEVELS
from logflume.protocols import Event
from logflume.values.columnar import EventColumns

T = TypeVar("T")
Target = TypeVar("Target", bound=Hashable)

__all__ = ["Route", "Router", "find_by_prefix"]


class Route(msgspec.Struct, Generic[Target], frozen=True):
    """The events that one sink accepts.

    Attributes:
        target: The target of the events: the sink's delivery, or another object for the sink.
        level: Number of the lowest accepted level.
        events: The accepted event types; None accepts all.
    """

    target: Target
    level: int
    events: Collection[str] | None


class Router(Generic[Target]):
    """Distributes batches of events to sinks.

    Args:
        routes: The routes of each logger by name; `""` is the root, for all other loggers. A
            logger `a.b` without routes of its own inherits those of `a`.
    """

    def __init__(self, routes: Mapping[str, Sequence[Route[Target]]]) -> None:
        self._routes = routes
        self._cache: dict[tuple[str, str, str], tuple[Target, ...]] = {}

    def sort(self, events: Sequence[Event]) -> Mapping[Target, Sequence[Event]]:
        """Return the events of each target, in order."""
        if isinstance(events, EventColumns):
            return dict.fromkeys(self.targets(events[0]), events)
        sorted_events: dict[Target, list[Event]] = {}
        for event in events:
            for target in self.targets(event):
                sorted_events.setdefault(target, []).append(event)
        return sorted_events

    def targets(self, event: Event) -> tuple[Target, ...]:
        """Return the targets of an event."""
        key = (event["logger"], event["event"], event["level"])
        targets = self._cache.get(key)
        return self._find_targets(*key) if targets is None else targets

    def _find_targets(self, logger: str, event_type: str, level: str) -> tuple[Target, ...]:
        routes = find_by_prefix(self._routes, logger)
        number = LEVELS.get(level, 20)
        targets = tuple(
            route.target
            for route in routes
            if number >= route.level and (route.events is None or event_type in route.events)
        )
        if len(self._cache) < 10_000:
            self._cache[(logger, event_type, level)] = targets
        return targets


def find_by_prefix(table: Mapping[str, T], name: str) -> T:
    """Return the entry of a dotted name, of its nearest parent, or of the root `""`.

    >>> find_by_prefix({"": 0, "training": 1}, "training.loop")
    1
    """
    while name and name not in table:
        name = name.rpartition(".")[0]
    return table[name]
