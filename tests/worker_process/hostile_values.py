"""Values with unusual types or failing methods, which a training script may log."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import threading
import uuid
from collections import OrderedDict, deque, namedtuple
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from hypothesis import strategies as st

__all__ = ["RECIPES", "build", "hostile_objects"]


class Day(datetime.datetime):
    """A subclass as a script may define it."""


class Number(int):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __index__(self) -> int:
        raise RuntimeError("no index")


class Text(str):
    def __str__(self) -> str:
        return self

    def __eq__(self, _other: object) -> bool:
        raise RuntimeError("no comparison")

    def __hash__(self) -> int:
        return super().__hash__()


class Color(enum.Enum):
    RED = "red"


class Raising:
    """Raises an error in every operation."""

    def __reduce__(self) -> Any:
        raise RuntimeError("not pickled")

    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __len__(self) -> int:
        raise RuntimeError("no length")

    def __iter__(self) -> Any:
        raise RuntimeError("no items")

    def __eq__(self, _other: object) -> bool:
        raise RuntimeError("no comparison")

    def __hash__(self) -> int:
        raise RuntimeError("no hash")


class Misleading:
    """Claims to be a dict, an array and a number, but is none."""

    shape = (2,)
    dtype = "float32"

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return dict

    def __len__(self) -> int:
        return 10**9

    def tolist(self) -> Any:
        return [self]

    def item(self) -> Any:
        return self

    def __float__(self) -> float:
        return "no"  # type: ignore[return-value]


class NoClass:
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("no class")


class UnhashableType(type):
    """A metaclass whose classes are unhashable."""

    def __eq__(cls, _other: object) -> bool:
        raise RuntimeError("no comparison")


class Unhashable(metaclass=UnhashableType):
    """An object whose class is unhashable."""


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class BadList(list[Any]):
    def __iter__(self) -> Any:
        raise RuntimeError("no items")

    def __len__(self) -> int:
        return -1


class BadArray(np.ndarray[Any, Any]):
    def tolist(self) -> Any:
        raise RuntimeError("no list")

    def copy(self, order: Any = "C") -> Any:
        return self


Pair = namedtuple("Pair", ["left", "right"])


def _cycle() -> list[Any]:
    cycle: list[Any] = [1]
    cycle.append(cycle)
    return cycle


def _deep() -> list[Any]:
    deep: list[Any] = []
    for _ in range(600):
        deep = [deep]
    return deep


def hostile_objects() -> list[Any]:
    """Return one object of each type."""
    lock = threading.Lock()
    return [
        Day(2024, 1, 1),
        Number(3),
        Text("text"),
        Color.RED,
        Raising(),
        Misleading(),
        NoClass(),
        Unhashable(),
        UnprintableError("x"),
        BadList([1]),
        np.zeros(3).view(BadArray),
        np.float32(0.5),
        np.array([{"a": 1}], dtype=object),
        np.array(["2024"], dtype="datetime64[ns]"),
        Pair(1, lock),
        OrderedDict(a=lock),
        deque([1, 2]),
        {1, 2},
        {Raising: 1},
        {b"\xff": 1, 1: 2, "1": 3},
        decimal.Decimal("1.5"),
        fractions.Fraction(1, 3),
        uuid.UUID(int=1),
        PurePosixPath("/x"),
        datetime.timedelta(seconds=1),
        datetime.time(1, 2),
        b"\xff\x00",
        bytearray(b"x"),
        memoryview(b"x"),
        10**5_000,
        complex(1, 2),
        lock,
        lambda: 1,
        object,
        ...,
        NotImplemented,
        range(3),
        _cycle(),
        _deep(),
        "\ud800",
    ]


_WRAPS: dict[str, Callable[[Any], Any]] = {
    "list": lambda value: [value],
    "twice": lambda value: (value, value),
    "dict": lambda value: {"k": value},
    "deque": lambda value: deque([value]),
    "pair": lambda value: Pair(value, 1),
}

RECIPES = st.recursive(
    st.sampled_from(range(len(hostile_objects()))),
    lambda inner: st.tuples(st.sampled_from(list(_WRAPS)), inner),
    max_leaves=3,
)
"""Descriptions of these objects and of containers with them: Hypothesis can't print the objects."""


def build(recipe: Any) -> Any:
    """Build the object that a recipe describes."""
    if isinstance(recipe, int):
        return hostile_objects()[recipe]
    wrap, inner = recipe
    return _WRAPS[wrap](build(inner))
