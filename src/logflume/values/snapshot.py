"""Snapshots: copies of logged values that later changes don't affect.

A value may change after the log call: a list is appended to, a tensor is updated in place.
`snapshot` copies mutable values on the caller's thread. Where it is safe, the conversion to plain
values is left to another thread.
"""

from __future__ import annotations

import math
import operator
import sys
from collections import UserString
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from itertools import islice
from pathlib import PurePath
from typing import Any
from uuid import UUID

from logflume.guard import Failure, call_guarded, type_name, unreadable
from logflume.values.arrays import MAX_ELEMENTS, PendingArray, copy_array
from logflume.values.foreign_arrays import copy_foreign_array
from logflume.values.objects import as_container
from logflume.values.pixels import is_figure, is_pillow
from logflume.values.reports import VALUE_REPORTS

__all__ = [
    "ATOMIC_TYPES",
    "MAX_DEPTH",
    "MAX_ITEMS",
    "NUMBER_TYPES",
    "PendingArray",
    "key_text",
    "memory_bytes",
    "snapshot",
    "unique_name",
]

MAX_DEPTH = 16
"""Maximum nesting depth of containers; deeper ones are replaced by a mark."""

MAX_ITEMS = 100_000
"""Maximum number of items copied per value, in all its containers; a mark replaces the rest."""

ATOMIC_TYPES = frozenset({str, int, float, bool, type(None), bytes})
"""Types whose values need no copy."""

NUMBER_TYPES = frozenset({int, float, bool, type(None)})
"""The atomic types whose values have a small, bounded size."""

_BARE_PICTURE = (
    "a picture is recorded as numbers or text: to keep it as an image, log logflume.Image(picture)"
)

_IMMUTABLE = (datetime, date, time, timedelta, PurePath, UUID, complex, PendingArray)

_LARGE = 2**63
"""Larger integral values of `Decimal` become floats: a short one may have a million digits."""


def snapshot(value: Any, max_elements: int = MAX_ELEMENTS) -> Any:
    """Return a copy of `value` that no later change can reach. Never raises.

    Containers become lists and dicts, arrays and tensors become `PendingArray`, dataclasses,
    models, namespaces and tables become dicts, numbers such as `Decimal` and `Fraction` become int
    or float, other objects become their text. A value that can't be read is replaced by a mark in
    angle brackets that states the reason.

    Args:
        value: Any value.
        max_elements: An array with more values becomes its summary.
    """
    return _Copier(max_elements).copy_guarded(value)


class _Copier:
    """Copies one value.

    The number of items is limited: a few lists that contain each other repeatedly would otherwise
    expand exponentially.
    """

    def __init__(self, max_elements: int) -> None:
        self._max_elements = max_elements
        self._remaining = MAX_ITEMS
        self._parents: list[int] = []

    def copy_guarded(self, value: Any) -> Any:
        copied = call_guarded(self._copy, value)
        if isinstance(copied, Failure):
            return unreadable(type_name(value), copied.error)
        return copied

    def _copy(self, value: Any) -> Any:
        kind = type(value)
        if kind in ATOMIC_TYPES:
            return value
        if kind in (list, tuple) and len(value) <= self._remaining:
            items = list(value)
            # Fast path: most lists contain only numbers or text.
            if ATOMIC_TYPES.issuperset(map(type, items)):
                self._remaining -= len(items)
                return items
        if isinstance(value, Enum):
            return self._copy(value.value)
        if isinstance(value, (str, bytes, int, float)):
            return _base_value(value)
        if isinstance(value, _IMMUTABLE):
            return None if _is_missing(value) else value
        if isinstance(value, UserString):
            return str.__str__(value.data)
        if isinstance(value, bytearray) or (
            isinstance(value, memoryview) and value.format in "Bbc"
        ):
            return bytes(value)
        if (array := copy_array(value, self._max_elements)) is not None:
            return self._copy(array)
        if (container := as_container(value)) is not None:
            return self._inside(value, self._copy_container, container)
        if is_pillow(value) or is_figure(value):
            VALUE_REPORTS.once("bare picture", _BARE_PICTURE)
        if (values := copy_foreign_array(value)) is not None:
            return self._inside(value, self._copy, values)
        if _is_missing(value):
            return None
        number = call_guarded(_as_number, value)
        return str.__str__(str(value)) if isinstance(number, Failure) else number

    def _inside(self, value: Any, copy: Callable[[Any], Any], content: Any) -> Any:
        """Copy the content of a value, unless the value contains itself."""
        if id(value) in self._parents:
            return "<cycle>"
        if len(self._parents) >= MAX_DEPTH:
            return f"<nested deeper than {MAX_DEPTH}>"
        self._parents.append(id(value))
        try:
            return copy(content)
        finally:
            self._parents.pop()

    def _copy_container(self, container: Collection[Any]) -> Any:
        items = _take(container, self._remaining)
        cut = len(container) - len(items) if len(items) == self._remaining else 0
        self._remaining -= len(items)
        if isinstance(container, Mapping):
            copy: dict[str, Any] = {}
            for key, item in items:
                copy[unique_name(key_text(key), copy)] = self.copy_guarded(item)
            return copy if cut <= 0 else {**copy, unique_name("<cut>", copy): f"<{cut} more>"}
        is_atomic = ATOMIC_TYPES.issuperset(map(type, items))
        copies = items if is_atomic else [self.copy_guarded(item) for item in items]
        return copies if cut <= 0 else [*copies, f"<{cut} more>"]


def _take(container: Collection[Any], count: int) -> list[Any]:
    """Return the first items of a container, or entries of a mapping."""
    # A single call, because another thread may be changing the container.
    if not isinstance(container, Mapping):
        return list(islice(container, count))
    items = call_guarded(lambda: list(islice(container.items(), count)))
    if not isinstance(items, Failure):
        return items
    # The others are kept if one value can't be read, such as a missing one of OmegaConf.
    entries = []
    for key in list(islice(container, count)):
        item = call_guarded(container.__getitem__, key)
        if isinstance(item, Failure):
            item = unreadable("value", item.error)
        entries.append((key, item))
    return entries


def key_text(key: Any) -> str:
    """Return a mapping's key, of any type, as an exact str. Never raises."""
    if type(key) is str:
        return key
    text = call_guarded(_read_key, key)
    return f"<{type_name(key)}>" if isinstance(text, Failure) else text


def _read_key(key: Any) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    return key_text(key.value) if isinstance(key, Enum) else str.__str__(str(key))


def unique_name(name: str, taken: Collection[Any]) -> str:
    """Return `name`, with a number appended if it is in `taken`: the keys 1 and "1" have one text.

    >>> unique_name("1", {"1": None}), unique_name("1", {})
    ('1 (2)', '1')
    """
    if name not in taken:
        return name
    candidate, number = name, len(taken) + 1
    while candidate in taken:
        candidate = f"{name} ({number})"
        number += 1
    return candidate


def _base_value(value: Any) -> Any:
    """Convert an instance of a subclass to its base type, such as `np.float64` to float."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes):
        return bytes.__getitem__(value, slice(None))
    return int.__index__(value) if isinstance(value, int) else float.__float__(value)


def _is_missing(value: Any) -> bool:
    """Whether a value is pandas' `NA` or `NaT`, or a null of Arrow."""
    pandas = sys.modules.get("pandas")
    arrow_scalar: Any = getattr(sys.modules.get("pyarrow"), "Scalar", ())
    if isinstance(value, arrow_scalar):
        return not value.is_valid
    return value is getattr(pandas, "NA", None) or value is getattr(pandas, "NaT", None)


def _as_number(value: Any) -> Any:
    """Return a number of any type as int or float, an integer exactly.

    Raises:
        Exception: It is not a number, or too large for one.
    """
    if isinstance(value, Decimal) and not value.is_finite():
        return math.nan if value.is_nan() else float(value)  # `float` takes no signaling NaN
    if isinstance(value, (Decimal, Fraction)) and -_LARGE < value < _LARGE and value == int(value):
        return int(value)
    number = operator.index(value) if hasattr(type(value), "__index__") else float(value)
    if isinstance(number, float) and math.isinf(number) and number != value:
        raise OverflowError
    return number


def memory_bytes(values: Iterable[Any]) -> int:
    """Estimate the memory of snapshots in bytes, apart from a few bytes per value.

    Texts and arrays count with their length; numbers are not counted.
    """
    total = 0
    for value in values:
        kind = type(value)
        if kind in NUMBER_TYPES:
            continue
        if kind is str or kind is bytes:
            total += len(value)
        elif kind is list:
            total += 8 * len(value)
            if not NUMBER_TYPES.issuperset(map(type, value)):
                total += memory_bytes(value)
        elif kind is dict:
            total += 100 * len(value) + memory_bytes(value) + memory_bytes(value.values())
        elif isinstance(value, PendingArray):
            total += value.memory_bytes
    return total
