"""Snapshots: copies of logged values that later changes don't affect.

A value may change after the log call: a list is appended to, a tensor is updated in place.
`snapshot` copies mutable values on the caller's thread. Where it is safe, the conversion to plain
values is left to another thread.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from itertools import islice
from pathlib import PurePath
from typing import Any
from uuid import UUID

import msgspec

from logflume.guard import Failure, call_guarded, describe, type_name
from logflume.values.arrays import PendingArray, copy_array

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

_IMMUTABLE = (datetime, date, time, timedelta, Decimal, Fraction, PurePath, UUID, complex)


def snapshot(value: Any) -> Any:
    """Return a copy of `value` that no later change can reach. Never raises.

    Containers become lists and dicts, arrays and tensors become `PendingArray`, dataclasses and
    structs become dicts, other objects become their text. A value that can't be read is replaced by
    a mark in angle brackets that states the reason.
    """
    return _Copier().copy_guarded(value)


class _Copier:
    """Copies one value.

    The number of items is limited: a few lists that contain each other repeatedly would otherwise
    expand exponentially.
    """

    def __init__(self) -> None:
        self._remaining = MAX_ITEMS
        self._parents: list[int] = []

    def copy_guarded(self, value: Any) -> Any:
        copied = call_guarded(self._copy, value)
        if isinstance(copied, Failure):
            return f"<{type_name(value)} that could not be read: {describe(copied.error)}>"
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
        if isinstance(value, (*_IMMUTABLE, PendingArray)):
            return value
        if isinstance(value, (bytearray, memoryview)):
            return bytes(value)
        if (array := copy_array(value)) is not None:
            return self._copy(array)
        if (container := _as_container(value)) is not None:
            return self._copy_inside(value, container)
        return str.__str__(str(value))

    def _copy_inside(self, value: Any, container: Collection[Any]) -> Any:
        if id(value) in self._parents:
            return "<cycle>"
        if len(self._parents) >= MAX_DEPTH:
            return f"<nested deeper than {MAX_DEPTH}>"
        self._parents.append(id(value))
        try:
            return self._copy_container(container)
        finally:
            self._parents.pop()

    def _copy_container(self, container: Collection[Any]) -> Any:
        source = container.items() if isinstance(container, Mapping) else container
        # A single call, because another thread may be changing the container.
        items = list(islice(source, self._remaining))
        cut = len(container) - len(items) if len(items) == self._remaining else 0
        self._remaining -= len(items)
        if isinstance(container, Mapping):
            copy: dict[str, Any] = {}
            for key, item in items:
                copy[unique_name(key_text(key), copy)] = self.copy_guarded(item)
            return copy if cut <= 0 else {**copy, unique_name("<cut>", copy): f"<{cut} more>"}
        copies = [self.copy_guarded(item) for item in items]
        return copies if cut <= 0 else [*copies, f"<{cut} more>"]


def key_text(key: Any) -> str:
    """Return a mapping's key, of any type, as an exact str."""
    if type(key) is str:
        return key
    text = call_guarded(str.__str__ if isinstance(key, str) else str, key)
    return f"<{type_name(key)}>" if isinstance(text, Failure) else str.__str__(text)


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


def _as_container(value: Any) -> Collection[Any] | None:
    if isinstance(value, Mapping):
        return value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return dict(zip(value._fields, value, strict=True))
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    return None


def memory_bytes(values: Iterable[Any]) -> int:
    """Estimate the memory of snapshots in bytes, apart from a few bytes per value.

    Text and arrays count by their length; numbers are not counted.
    """
    total = 0
    for value in values:
        kind = type(value)
        if kind is str or kind is bytes:
            total += len(value)
        elif kind is list:
            total += 8 * len(value)
            if not NUMBER_TYPES.issuperset(map(type, value)):
                total += memory_bytes(value)
        elif kind is dict:
            total += 100 * len(value) + memory_bytes(value) + memory_bytes(value.values())
        elif kind is PendingArray:
            total += value.memory_bytes
    return total
