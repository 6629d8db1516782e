"""Which events go to which sinks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

import msgspec

from logflume.hub import LEVELS
from logflume.pipeline.lane import Lane
from logflume.protocols import Event

T = TypeVar("T")

__all__ = ["Route", "Router", "find_by_prefix"]


class Route(msgspec.Struct, frozen=True):
    """What one sink wants.

    Attributes:
        lane: Where its events go.
        level: Number of the lowest level that it takes.
        events: The event types it takes; None takes all.
    """

    lane: Lane
    level: int
    events: Collection[str] | None


class Router:
    """Sorts a batch of events by sink.

    Args:
        routes: The routes of each logger by its name; `""` is the root, for all other loggers.
            A logger `a.b` without routes of its own takes those of `a`.
    """

    def __init__(self, routes: Mapping[str, Sequence[Route]]) -> None:
        self._routes = routes
        self._found: dict[tuple[str, str, str], tuple[Lane, ...]] = {}

    def sort(self, events: Sequence[Event]) -> dict[Lane, list[Event]]:
        """Return the events of each lane, in order."""
        sorted_events: dict[Lane, list[Event]] = {}
        for event in events:
            key = (event["logger"], event["event"], event["level"])
            lanes = self._found.get(key)
            if lanes is None:
                lanes = self._find(*key)
            for lane in lanes:
                sorted_events.setdefault(lane, []).append(event)
        return sorted_events

    def _find(self, logger: str, event_type: str, level: str) -> tuple[Lane, ...]:
        routes = find_by_prefix(self._routes, logger)
        number = LEVELS.get(level, 20)
        lanes = tuple(
            route.lane
            for route in routes
            if number >= route.level and (route.events is None or event_type in route.events)
        )
        if len(self._found) < 10_000:
            self._found[(logger, event_type, level)] = lanes
        return lanes


def find_by_prefix(table: Mapping[str, T], name: str) -> T:
    """Return the entry of a dotted name, of its nearest parent, or of the root `""`.

    >>> find_by_prefix({"": 0, "training": 1}, "training.loop")
    1
    """
    while name and name not in table:
        name = name.rpartition(".")[0]
    return table[name]
