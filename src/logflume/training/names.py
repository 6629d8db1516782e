"""Names of reward functions, as TRL gives them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

__all__ = ["distinct", "name_of"]


def name_of(function: Any) -> str:
    """Return the name under which TRL reports a reward function.

    >>> name_of(functools.partial(len))
    'len'
    """
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def distinct(names: Sequence[str]) -> list[str]:
    """Number the names that come again, which TRL would merge into one metric.

    >>> distinct(["f", "g", "f"])
    ['f', 'g', 'f_2']
    """
    earlier = [list(names[:index]).count(name) for index, name in enumerate(names)]
    return [f"{n}_{count + 1}" if count else n for n, count in zip(names, earlier, strict=True)]
