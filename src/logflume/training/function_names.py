"""Names of reward functions, as TRL reports them."""

from __future__ import annotations

import functools
from collections.abc import Container, Sequence
from itertools import count
from typing import Any

__all__ = ["TOTAL", "distinct_names", "name_of", "numbered"]

TOTAL = "total"
"""Name of the weighted sum of all reward functions."""


def name_of(function: Any) -> str:
    """Return the name under which TRL reports a reward function.

    >>> name_of(functools.partial(len))
    'len'
    """
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def distinct_names(names: Sequence[str]) -> list[str]:
    """Add a number to each name that an earlier function, or the sum `total`, already has.

    >>> distinct_names(["f", "g", "f", "total"])
    ['f', 'g', 'f_2', 'total_2']
    """
    unique: list[str] = []
    for name in names:
        unique.append(numbered(name, {TOTAL, *unique}))
    return unique


def numbered(name: str, taken: Container[str]) -> str:
    """Return a name, with the first free number from 2 on if it is taken."""
    names = (f"{name}_{number}" for number in count(2))
    return name if name not in taken else next(one for one in names if one not in taken)
