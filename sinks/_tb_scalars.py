"""The numbers of an event as scalars, all packed at once.

Events of one shape (the same type, mode and names in the same order, with values of the same Python
types) differ in four bytes a number only. So the bytes between are made once for each shape.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from logflume.protocols import Event
from logflume.values.getter import getter

from ._tb_tags import tag_of
from ._tb_wire import scalar_head

__all__ = ["pack_scalars"]

_SHAPES = 256
"""Shapes that are remembered."""


class _Shape(NamedTuple):
    """How the numbers of an event are packed.

    Attributes:
        get: Returns the numbers of an event.
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
    types = tuple(map(type, event.values()))
    shape = _find_shape(event["event"], event.get("mode"), tuple(event), types)
    if shape is None:
        return b""
    numbers = shape.get(event)
    pieces: list[bytes | float] = [b""] * (2 * len(numbers))
    pieces[::2], pieces[1::2] = shape.heads, numbers
    return shape.pack(*pieces)


@lru_cache(_SHAPES)
def _find_shape(
    event_type: str, mode: str | None, names: tuple[str, ...], types: tuple[type, ...]
) -> _Shape | None:
    # A bool is no number here.
    numeric = [name for name, kind in zip(names, types, strict=True) if kind in (float, int)]
    tags = {name: tag for name in numeric if (tag := tag_of(event_type, mode, name))}
    if not tags:
        return None
    heads = [scalar_head(tag) for tag in tags.values()]
    layout = "".join(f"{len(head)}sf" for head in heads)
    return _Shape(getter(list(tags)), Struct(f"<{layout}").pack, heads)
