"""The value at the time of the call.

What a log call is given may change a moment later: a list is appended to, a tensor is updated in
place. `snapshot` copies what is mutable, on the caller's thread, and leaves the conversion to plain
values to another thread wherever that is safe.
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
"""Containers nested deeper are cut, with a mark in their place."""

MAX_ITEMS = 100_000
"""Items copied of one value, over all its containers; the rest is cut, with a mark at the end."""

ATOMIC_TYPES = frozenset({str, int, float, bool, type(None), bytes})
"""Types whose values need no copy."""

NUMBER_TYPES = frozenset({int, float, bool, type(None)})
"""Those of them whose values are small."""

_IMMUTABLE = (datetime, date, time, timedelta, Decimal, Fraction, PurePath, UUID, complex)


def snapshot(value: Any) -> Any:
    """Return a copy of `value` that no later change can reach. Never raises.

    Containers become lists and dicts, arrays and tensors become `PendingArray`, dataclasses and
    structs become dicts, unknown objects become their text. What can't be read is replaced by a
    mark in angle brackets that gives the reason.
    """
    return _Copier().copy_guarded(value)


class _Copier:
    """Copies one value.

    It counts the items: a few lists that contain each other several times over would otherwise
    expand beyond any memory.
    """

    def __init__(self) -> None:
        self._room = MAX_ITEMS
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
        if kind in (list, tuple) and len(value) <= self._room:
            items = list(value)
            # Most lists hold numbers or text only: then the copy is done.
            if ATOMIC_TYPES.issuperset(map(type, items)):
                self._room -= len(items)
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
        # In one go, for another thread may be changing it.
        items = list(islice(source, self._room))
        cut = len(container) - len(items) if len(items) == self._room else 0
        self._room -= len(items)
        if isinstance(container, Mapping):
            copy: dict[str, Any] = {}
            for key, item in items:
                copy[unique_name(key_text(key), copy)] = self.copy_guarded(item)
            return copy if cut <= 0 else {**copy, unique_name("<cut>", copy): f"<{cut} more>"}
        copies = [self.copy_guarded(item) for item in items]
        return copies if cut <= 0 else [*copies, f"<{cut} more>"]


def key_text(key: Any) -> str:
    """Return the text of a mapping's key, of whatever type; always an exact str."""
    if type(key) is str:
        return key
    text = call_guarded(str.__str__ if isinstance(key, str) else str, key)
    return f"<{type_name(key)}>" if isinstance(text, Failure) else str.__str__(text)


def unique_name(name: str, taken: Collection[Any]) -> str:
    """Return `name`, with a number if it is taken, as "1" is by the key 1.

    >>> free_name("1", {"1": None}), free_name("1", {})
    ('1 (2)', '1')
    """
    if name not in taken:
        return name
    free, number = name, len(taken) + 1
    while free in taken:
        free = f"{name} ({number})"
        number += 1
    return free


def _base_value(value: Any) -> Any:
    """Return the value of a subclass as its base: `np.float64` as float, a user's str as str."""
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
    """Return about how much memory snapshotted values take, beyond a few bytes for each.

    Texts and arrays count by their length; numbers count as nothing.
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
