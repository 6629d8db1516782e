"""Events of a shape that was seen before: what needs no look at each of their fields.

Most events of a run have the names and types of values of one before. Where that one was finished
by taking all of its values as they were, so can the next be, within the limits of the columns.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any, Generic, TypeVar

from logflume.values.coerce import MAX_NAME
from logflume.values.columnar import getter
from logflume.values.kinds import EXACT_MAX, INT64_MAX
from logflume.values.plain import MAX_TEXT, PLAIN_TYPES, valid_text

__all__ = ["MAX_FIELDS", "Limits", "Shapes", "find_limits"]

MAX_SHAPES = 512
"""Shapes that are remembered; with one more all are forgotten."""

MAX_FIELDS = 200
"""An event of more fields is always looked at field by field."""

_TYPES = PLAIN_TYPES | {str}
_CHECKED = frozenset({"timestamp", "level", "event"})  # whatever takes values looks at these itself

Fields = Mapping[str, Any]
Shape = TypeVar("Shape", bound=Hashable)
Found = TypeVar("Found")


class Shapes(Generic[Shape, Found]):
    """What was found out for a shape, and holds for all events that have it."""

    def __init__(self) -> None:
        self._found: dict[Shape, Found] = {}
        self.get = self._found.get

    def note(self, shape: Shape, found: Found) -> None:
        """Remember what holds for a shape."""
        if len(self._found) >= MAX_SHAPES:
            self._found.clear()
        self._found[shape] = found


class Limits:
    """The limits for the values of all events of a shape, which are taken as they are.

    Args:
        event_dict: An event of this shape.
        event: What it was finished as: the same, but for integers in a column of floats.
    """

    def __init__(self, event_dict: Fields, event: Fields) -> None:
        names = {kind: [n for n, v in event_dict.items() if type(v) is kind] for kind in _TYPES}
        self._made_float = [name for name in names[int] if type(event[name]) is float]
        self._largest = EXACT_MAX if self._made_float else INT64_MAX
        self._integers = getter(names[int])
        self._floats = getter(names[float])
        self._texts = getter([name for name in names[str] if name not in _CHECKED])

    def admit(self, event: dict[str, Any]) -> bool:
        """Make integers floats where their column asks for it; False if a value is beyond limits.

        Args:
            event: An event of this shape, and more fields.
        """
        text = "".join(self._texts(event))
        # Sums, for none of the values can be out of bounds where the sum is not.
        if not (
            math.isfinite(sum(self._floats(event)))
            and sum(map(abs, self._integers(event))) <= self._largest
            and len(text) <= MAX_TEXT
            and valid_text(text) is text
            and len(event["logger"]) <= MAX_NAME
        ):
            return False
        for name in self._made_float:
            event[name] = float(event[name])
        return True


def find_limits(head: Fields, event_dict: Fields, event: Fields) -> Limits | None:
    """Return the limits for events of a shape; None if they have to be made field by field.

    Args:
        head: The reserved names in their order, of which the event dict gives some.
        event_dict: An event dict of that shape.
        event: What was made of it, field by field.
    """
    if len(event_dict) > MAX_FIELDS or not _TYPES.issuperset(map(type, event_dict.values())):
        return None
    taken = {**head, **event_dict}
    is_same = list(taken) == list(event) and all(map(_is_same, taken.values(), event.values()))
    return Limits(event_dict, event) if is_same else None


def _is_same(given: Any, kept: Any) -> bool:
    if type(given) is int and type(kept) is float:
        return True
    return kept is given or (type(given) is type(kept) is str and kept == given)
