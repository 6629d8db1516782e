"""The value at the time of the call.

What a log call is given may change a moment later: a list is appended to, a tensor is updated in
place. `snapshot` copies what is mutable, on the caller's thread, and leaves the rest
of the work (conversion, text) to the worker wherever that is safe.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Any
from uuid import UUID

import msgspec

from logflume.guard import Failure, attempt, describe
from logflume.values.arrays import copy_array

__all__ = ["ATOMIC_TYPES", "MAX_DEPTH", "MAX_ITEMS", "snapshot"]

MAX_DEPTH = 16
"""Containers nested deeper are cut, with a mark in their place."""

MAX_ITEMS = 100_000
"""Longer containers are cut, with a mark at the end."""

ATOMIC_TYPES = frozenset({str, int, float, bool, type(None), bytes})
"""Types whose values need no copy and no look."""

_IMMUTABLE = (datetime, date, time, timedelta, Decimal, Fraction, PurePath, UUID, complex)


def snapshot(value: Any) -> Any:
    """Return a copy of `value` that no later change can reach. Never raises.

    Containers become lists and dicts, arrays and tensors become `PendingArray`, dataclasses and
    structs become dicts, unknown objects become their text. What can't be had is
    replaced by a mark in angle brackets that says why.
    """
    copied = attempt(_copy, value, 0, ())
    if isinstance(copied, Failure):
        return f"<{type(value).__name__} that could not be read: {describe(copied.error)}>"
    return copied


def _copy(value: Any, depth: int, parents: tuple[int, ...]) -> Any:
    kind = type(value)
    if kind in ATOMIC_TYPES:
        return value
    if kind in (list, tuple) and len(value) <= MAX_ITEMS:
        items = list(value)
        # Most lists hold numbers or text only: then the copy is done.
        if ATOMIC_TYPES.issuperset(map(type, items)):
            return items
    if isinstance(value, Enum):
        return _copy(value.value, depth, parents)
    if isinstance(value, (str, bytes, int, float)):
        return _base_value(value)
    if isinstance(value, _IMMUTABLE):
        return value
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if (array := copy_array(value)) is not None:
        return array
    if (container := _as_container(value)) is not None:
        return _copy_container(container, depth, (*parents, id(value)))
    return str(value)


def _base_value(value: Any) -> Any:
    """Return the plain value of a subclass: `np.float64` as float, somebody's own str as str."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes):
        return bytes(value)
    return int.__index__(value) if isinstance(value, int) else float.__float__(value)


def _as_container(value: Any) -> Mapping[Any, Any] | list[Any] | None:
    if isinstance(value, Mapping):
        return value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return dict(zip(value._fields, value, strict=True))
    if isinstance(value, (list, tuple, set, frozenset)) or type(value).__name__ == "deque":
        return list(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    return None


def _copy_container(
    value: Mapping[Any, Any] | list[Any], depth: int, parents: tuple[int, ...]
) -> Any:
    if depth >= MAX_DEPTH:
        return f"<nested deeper than {MAX_DEPTH}>"
    cut = len(value) - MAX_ITEMS

    def inner(item: Any) -> Any:
        if id(item) in parents:
            return "<cycle>"
        copied = attempt(_copy, item, depth + 1, parents)
        if isinstance(copied, Failure):
            return f"<{type(item).__name__} that could not be read: {describe(copied.error)}>"
        return copied

    if isinstance(value, Mapping):
        pairs = list(value.items())[:MAX_ITEMS]
        copy: Any = {_key_text(key): inner(item) for key, item in pairs}
        if cut > 0:
            copy["<cut>"] = f"<{cut} more>"
        return copy
    copy = [inner(item) for item in value[:MAX_ITEMS]]
    if cut > 0:
        copy.append(f"<{cut} more>")
    return copy


def _key_text(key: Any) -> str:
    """Return the text of a mapping's key, whatever it is."""
    if type(key) is str:
        return key
    text = attempt(str, key)
    return f"<{type(key).__name__}>" if isinstance(text, Failure) else str.__str__(text)
