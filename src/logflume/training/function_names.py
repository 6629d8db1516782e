"""Names of reward functions, as TRL gives them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import count
from typing import Any

__all__ = ["TOTAL", "distinct", "name_of"]

TOTAL = "total"
"""The weighted sum of all reward functions."""


def name_of(function: Any) -> str:
    """Return the name under which TRL reports a reward function.

    >>> name_of(functools.partial(len))
    'len'
    """
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def distinct(names: Sequence[str]) -> list[str]:
    """Number the names that are taken: by an earlier function, or by the sum of all, `total`.

    >>> distinct(["f", "g", "f", "total"])
    ['f', 'g', 'f_2', 'total_2']
    """
    found: list[str] = []
    for name in names:
        numbered = (f"{name}_{number}" for number in count(2))
        taken = {TOTAL, *found}
        found.append(name if name not in taken else next(n for n in numbered if n not in taken))
    return found
