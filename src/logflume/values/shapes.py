"""The fast path for events of a known shape: no conversion of individual fields.

The shape of an event is its type with the names and value types of its fields. Most events of a run
have the shape of an earlier one. If all values of that one were kept unchanged, so are those of the
next, as long as they are within the limits of the columns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import NoneType
from typing import Any

from logflume.values.coerce import MAX_NAME
from logflume.values.columnar import getter
from logflume.values.kinds import EXACT_MAX, INT64_MAX
from logflume.values.plain import MAX_TEXT, PLAIN_TYPES, valid_text

__all__ = ["MAX_SHAPES", "ShapeLimits", "find_limits"]

MAX_SHAPES = 512
"""Maximum number of cached shapes; the cache is cleared when one more is added."""

MAX_FIELDS = 200
"""Events with more fields are always processed field by field."""

_TYPES = PLAIN_TYPES | {str, list}
_FLOATS = frozenset({float, NoneType})
_CHECKED = frozenset({"timestamp", "level", "event"})  # checked by the caller

Fields = Mapping[str, Any]


class ShapeLimits:
    """The limits within which the values of events of one shape are kept unchanged.

    Args:
        event_dict: An event dict of this shape.
        event: The finished event: the same values, except for integers in a column of numbers,
            which are floats.
    """

    def __init__(self, event_dict: Fields, event: Fields) -> None:
        names = {kind: [n for n, v in event_dict.items() if type(v) is kind] for kind in _TYPES}
        self._float_names = [name for name in names[int] if type(event[name]) is float]
        self._largest = EXACT_MAX if self._float_names else INT64_MAX
        self._integers = getter(names[int])
        self._floats = getter(names[float])
        self._lists = getter(names[list])
        self._texts = getter([name for name in names[str] if name not in _CHECKED])

    def apply(self, event: dict[str, Any]) -> bool:
        """Convert integers in columns of numbers to floats; False if a value exceeds a limit.

        Args:
            event: An event of this shape, with the reserved names added.
        """
        if not all(map(_are_finite_floats, self._lists(event))):
            return False
        text = "".join(self._texts(event))
        # One check of a sum instead of many: if it is within bounds, so is every value.
        if not (
            math.isfinite(sum(self._floats(event)))
            and sum(map(abs, self._integers(event))) <= self._largest
            and len(text) <= MAX_TEXT
            and valid_text(text) is text
            and len(event["logger"]) <= MAX_NAME
        ):
            return False
        for name in self._float_names:
            event[name] = float(event[name])
        return True


def find_limits(head: Fields, event_dict: Fields, event: Fields) -> ShapeLimits | None:
    """Return the limits for events of a shape; None if they need processing field by field.

    Args:
        head: The reserved names in order, some of which the event dict sets.
        event_dict: An event dict of that shape.
        event: The event made of it, field by field.
    """
    if len(event_dict) > MAX_FIELDS or not _TYPES.issuperset(map(type, event_dict.values())):
        return None
    if not all(_has_numbers(value) for value in event_dict.values() if type(value) is list):
        return None
    expected = {**head, **event_dict}
    is_same = list(expected) == list(event) and all(
        map(_is_same, expected.values(), event.values())
    )
    return ShapeLimits(event_dict, event) if is_same else None


def _has_numbers(values: list[Any]) -> bool:
    """Whether a list that its column kept unchanged shows that this is a column of numbers."""
    return float in map(type, values)


def _are_finite_floats(values: list[Any]) -> bool:
    """Whether a column of numbers keeps a list unchanged, with nothing to note."""
    return _FLOATS.issuperset(map(type, values)) and math.isfinite(sum(filter(None, values)))


def _is_same(given: Any, kept: Any) -> bool:
    if type(given) is int and type(kept) is float:
        return True
    return kept is given or (type(given) is type(kept) is str and kept == given)
