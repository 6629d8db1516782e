"""Events of a shape that was seen before: what needs no look at each of their fields.

Most events of a run have the names and types of values of one before. Where that one was finished
by taking all of its values as they were, so can the next be, within the limits of the columns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from logflume.values.cut import MAX_NAME
from logflume.values.fit import EXACT_MAX, INT64_MAX
from logflume.values.getter import getter
from logflume.values.plain import MAX_TEXT, PLAIN_TYPES, valid_text

__all__ = ["Shapes"]

MAX_SHAPES = 512
"""Shapes that are remembered; with one more all are forgotten."""

MAX_FIELDS = 200
"""An event of more fields is always looked at field by field."""

_TYPES = PLAIN_TYPES | {str}

Key = tuple[tuple[str, ...], tuple[type, ...], str]
Fields = Mapping[str, Any]


class Shapes:
    """The shapes of a run's events."""

    def __init__(self) -> None:
        self._shapes: dict[Key, _Shape] = {}

    def finish(self, head: Fields, event_dict: Fields) -> dict[str, Any] | None:
        """Return the finished event; None if it has to be made field by field.

        That its timestamp, level and mode are such is left to the caller.

        Args:
            head: The reserved names in their order, of which the event dict gives some.
            event_dict: The event dict.
        """
        shape = self._shapes.get(_key(event_dict))
        if shape is None or not shape.admits(event_dict):
            return None
        event = {**head, **event_dict}
        for name in shape.made_float:
            event[name] = float(event[name])
        return event

    def note(self, head: Fields, event_dict: Fields, event: Fields) -> None:
        """Remember the shape of an event that was made field by field, if all is as it was."""
        if len(event_dict) > MAX_FIELDS or not _TYPES.issuperset(map(type, event_dict.values())):
            return
        taken = {**head, **event_dict}
        if list(taken) != list(event) or not all(map(_is_same, taken.values(), event.values())):
            return
        if len(self._shapes) >= MAX_SHAPES:
            self._shapes.clear()
        self._shapes[_key(event_dict)] = _Shape(event_dict, event)


class _Shape:
    """What holds for every event of these names and types.

    Attributes:
        made_float: Fields that are integers in a column of floats.
    """

    def __init__(self, event_dict: Fields, event: Fields) -> None:
        names = {kind: [n for n, v in event_dict.items() if type(v) is kind] for kind in _TYPES}
        self.made_float = [name for name in names[int] if type(event[name]) is float]
        self._largest = EXACT_MAX if self.made_float else INT64_MAX
        self._integers = getter(names[int])
        self._floats = getter(names[float])
        self._texts = getter(names[str])

    def admits(self, event_dict: Fields) -> bool:
        """Whether every value is within the limits of its column."""
        texts = self._texts(event_dict)
        # Sums, for none of the values can be out of bounds where the sum is not.
        return (
            math.isfinite(sum(self._floats(event_dict)))
            and sum(map(abs, self._integers(event_dict))) <= self._largest
            and sum(map(len, texts)) <= MAX_TEXT
            and valid_text(text := "".join(texts)) is text
            and len(event_dict["logger"]) <= MAX_NAME
        )


def _key(event_dict: Fields) -> Key:
    event_type = event_dict.get("event")
    types = tuple(map(type, event_dict.values()))
    # What is no text was put there by a processor, and may be anything.
    return tuple(event_dict), types, event_type if type(event_type) is str else ""


def _is_same(given: Any, kept: Any) -> bool:
    return kept is given or (type(given) is int and type(kept) is float)
