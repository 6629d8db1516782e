"""Shapes of events: what is told by the type, the names and the types of the values.

A run logs few kinds of events, again and again. What depends on nothing else is found out once for
each shape, and known for all events that come later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["MAX_SHAPES", "MOST_NAMES", "Shape", "Shapes"]

MAX_SHAPES = 512
"""Shapes that are remembered; with one more all are forgotten."""

MOST_NAMES = 200
"""An event of more fields has a shape of its own."""


class Shape:
    """What an event looks like. Events that look the same have the same object.

    Attributes:
        event_type: The type of the event.
        kinds: The Python types of its values by name, in order; those of its header, too.
    """

    __slots__ = ("event_type", "kinds")

    def __init__(self, event_type: str, kinds: Mapping[str, type]) -> None:
        self.event_type = event_type
        self.kinds = kinds


class Shapes:
    """Finds the shapes of events."""

    def __init__(self) -> None:
        self._shapes: dict[Any, Shape] = {}

    def find(self, event_dict: Mapping[str, Any]) -> Shape:
        """Return the shape of an event."""
        event_type = event_dict.get("event")
        if type(event_type) is not str:
            event_type = ""  # a processor put it there, and it may be anything
        names, types = tuple(event_dict), tuple(map(type, event_dict.values()))
        shape = self._shapes.get((event_type, names, types))
        if shape is None:
            shape = Shape(event_type, dict(zip(names, types, strict=True)))
            if len(names) <= MOST_NAMES:
                if len(self._shapes) >= MAX_SHAPES:
                    self._shapes.clear()
                self._shapes[(event_type, names, types)] = shape
        return shape
