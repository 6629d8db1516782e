"""Fetching several values of a mapping at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

__all__ = ["Getter", "getter"]

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
