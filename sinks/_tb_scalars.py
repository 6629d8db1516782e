"""The numbers of an event as scalars, all packed at once.

Events of one shape (the same type, mode and names in the same order) differ in four bytes a number
only. So the bytes between are made once for each shape.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from logflume.protocols import Event
from logflume.values.getter import getter
from logflume.values.plain import are_floats

from ._tb_tags import tag_of
from ._tb_wire import scalar_head

__all__ = ["pack_scalars"]

_NUMBERS = frozenset({float, int})

_SHAPES = 256
"""Shapes that are remembered."""


class _Shape(NamedTuple):
    """How the numbers of an event are packed.

    Attributes:
        get: Returns the values of an event that have a tag.
        pack: Packs heads and numbers by turns.
        heads: What stands before each number.
    """

    get: Callable[[Event], tuple[float, ...]]
    pack: Callable[..., bytes]
    heads: list[bytes]


def pack_scalars(event: Event) -> bytes:
    """Return the scalars of an event as serialised values of a `Summary`, joined.

    Raises:
        OverflowError: A number is beyond the range of float32.
    """
    event_type, mode, names = event["event"], event.get("mode"), tuple(event)
    shape = _find_shape(event_type, mode, names)
    numbers = shape.get(event)
    if not are_floats(numbers):
        # Some are no numbers, or not always; a bool is none here.
        numeric = tuple([name for name in names if type(event[name]) in _NUMBERS])
        shape = _find_shape(event_type, mode, numeric)
        numbers = shape.get(event)
    pieces: list[bytes | float] = [b""] * (2 * len(numbers))
    pieces[::2], pieces[1::2] = shape.heads, numbers
    return shape.pack(*pieces)


@lru_cache(_SHAPES)
def _find_shape(event_type: str, mode: str | None, names: tuple[str, ...]) -> _Shape:
    tags = {name: tag for name in names if (tag := tag_of(event_type, mode, name))}
    heads = [scalar_head(tag) for tag in tags.values()]
    layout = "".join(f"{len(head)}sf" for head in heads)
    return _Shape(getter(list(tags)), Struct(f"<{layout}").pack, heads)
