"""The value at the time of the call.

What a log call is given may change a moment later: a list is appended to, a tensor is updated in
place. `snapshot` copies what is mutable, on the caller's thread, and leaves the rest
of the work (conversion, text) to the worker wherever that is safe.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections import deque
from collections.abc import Collection, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from itertools import islice
from pathlib import PurePath
from typing import Any
from uuid import UUID

import msgspec

from logflume.guard import Failure, call_guarded, describe

__all__ = [
    "ATOMIC_TYPES",
    "MAX_DEPTH",
    "MAX_ELEMENTS",
    "MAX_ITEMS",
    "PendingArray",
    "copy_array",
    "key_text",
    "snapshot",
    "unique_name",
]


MAX_ELEMENTS = 100_000
"""Larger arrays are not copied: their place is taken by a text with type and shape."""


class PendingArray:
    """A copy of an array or tensor whose values are read on the worker.

    For a CUDA tensor the copy to the host runs on the GPU's stream while training goes on;
    `ready` is the event that says it has arrived.
    """

    __slots__ = ("_copy", "_ready")

    def __init__(self, copy: Any, ready: Any = None) -> None:
        self._copy = copy
        self._ready = ready

    def __reduce__(self) -> tuple[Any, tuple[Any]]:
        """Pickle as the values: the process that reads them need not have torch or NumPy."""
        return _same, (self.tolist(),)

    def tolist(self) -> Any:
        """Return the values as a number or nested lists, waiting for the GPU where needed."""
        if self._ready is not None:
            self._ready.synchronize()
        return self._copy.tolist()


def _same(values: Any) -> Any:
    return values


def copy_array(value: Any) -> PendingArray | Any | None:
    """Return a copy of an array or tensor, the Python value of a NumPy scalar, else None.

    An array of Python objects comes back as lists of the same objects.
    """
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        if isinstance(value, numpy.generic):
            return _scalar(numpy, value)
        if isinstance(value, numpy.ndarray):
            return _summary(value) or _copy_ndarray(numpy, value)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return _summary(value) or _copy_tensor(torch, value.detach())
    return None


def _scalar(numpy: Any, value: Any) -> Any:
    if isinstance(value, numpy.floating):
        return float(value)  # item() of a long double stays one
    if isinstance(value, (numpy.datetime64, numpy.timedelta64)):
        return str(value)  # item() of one in nanoseconds is a bare number
    return value.item()


def _copy_ndarray(numpy: Any, array: Any) -> Any:
    if array.dtype.kind == "O":
        return array.tolist()
    if array.dtype.kind in "mM":
        return PendingArray(array.astype(str))  # lists of nanoseconds are bare numbers
    if array.dtype == numpy.longdouble:
        return PendingArray(array.astype(float))  # lists of long doubles hold long doubles
    return PendingArray(array.copy())


def _copy_tensor(torch: Any, tensor: Any) -> PendingArray:
    if tensor.device.type != "cuda":
        return PendingArray(tensor.clone())
    # With non_blocking torch copies into pinned memory and returns at once.
    copy = tensor.to("cpu", non_blocking=True)
    ready = torch.cuda.Event()
    ready.record(torch.cuda.current_stream(tensor.device))
    return PendingArray(copy, ready)


def _summary(array: Any) -> str | None:
    size = math.prod(array.shape)
    if size <= MAX_ELEMENTS:
        return None
    return f"<{type(array).__name__} {array.dtype} {list(array.shape)}: too large to log>"


MAX_DEPTH = 16
"""Containers nested deeper are cut, with a mark in their place."""

MAX_ITEMS = 100_000
"""Items copied of one value, over all its containers; the rest is cut, with a mark at the end."""

ATOMIC_TYPES = frozenset({str, int, float, bool, type(None), bytes})
"""Types whose values need no copy and no look."""

_IMMUTABLE = (datetime, date, time, timedelta, Decimal, Fraction, PurePath, UUID, complex)


def snapshot(value: Any) -> Any:
    """Return a copy of `value` that no later change can reach. Never raises.

    Containers become lists and dicts, arrays and tensors become `PendingArray`, dataclasses and
    structs become dicts, unknown objects become their text. What can't be had is
    replaced by a mark in angle brackets that says why.
    """
    return _Copier().copy_guarded(value)


class _Copier:
    """Copies one value.

    It counts the items, for a few lists that hold each other several times over come to more
    than any memory takes.
    """

    def __init__(self) -> None:
        self._room = MAX_ITEMS
        self._parents: list[int] = []

    def copy_guarded(self, value: Any) -> Any:
        copied = call_guarded(self._copy, value)
        if isinstance(copied, Failure):
            return f"<{type(value).__name__} that could not be read: {describe(copied.error)}>"
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
    """Return the text of a mapping's key, whatever it is."""
    if type(key) is str:
        return key
    text = call_guarded(str, key)
    return f"<{type(key).__name__}>" if isinstance(text, Failure) else str.__str__(text)


def unique_name(name: str, taken: Collection[Any]) -> str:
    """Return `name`, or where that is taken, as by 1 beside "1", `name` with a number.

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
    """Return the plain value of a subclass: `np.float64` as float, somebody's own str as str."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes):
        return bytes(value)
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
