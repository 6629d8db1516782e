"""Arrays and scalars of any library, read by the protocols that they offer.

JAX, CuPy, MLX, TensorFlow, pandas, Polars, Arrow and others: an object with `tolist`, `__array__`,
`__array_interface__`, `__dlpack__`, `to_numpy` or `item` has values, and one with `toarray` or
`todense` is a sparse array. None of the libraries is imported here.
"""

from __future__ import annotations

import copy
import math
import sys
from array import array
from collections.abc import Callable
from functools import partial
from typing import Any

from logflume.guard import Failure, call_guarded, type_name
from logflume.values.array_summary import describe_shape, summarize_values
from logflume.values.arrays import MAX_COPIED_BYTES, MAX_ELEMENTS, PendingArray, copy_array

__all__ = ["copy_foreign_array"]

_TO_LIST = ("tolist", "to_list", "to_pylist")
_TO_SCALAR = ("as_py", "item")
_TO_NUMPY = ("to_numpy", "numpy", "asnumpy")
_TO_DENSE = ("toarray", "todense")
_PROTOCOLS = ("__array__", "__array_interface__", "__dlpack__")

_HOST_DEVICES = frozenset({1, 3})
"""DLPack's numbers of the host's memory and of host memory pinned for CUDA."""

_NUMBERS = frozenset({bool, int, float})


def copy_foreign_array(value: Any) -> Any | None:
    """Return the values of an array or scalar of some library; None for anything else.

    The result is a number, a list, an array of NumPy or torch, a summary, or a `PendingArray`:
    values on a GPU, or still being computed, are copied on their device and read later.

    Raises:
        Exception: Whatever the library raises where an array can't be read.
    """
    if _finds(value, ("as_py",)):  # of Arrow, which knows the type
        return value.as_py()
    if (name := _finds(value, _TO_DENSE)) and hasattr(value, "shape"):
        is_vast = 8 * (_count(value) or 0) > MAX_COPIED_BYTES
        return describe_shape(value.shape, value.dtype) if is_vast else getattr(value, name)()
    if (ctypes := sys.modules.get("ctypes")) and isinstance(
        value, (ctypes.Array, ctypes._SimpleCData)
    ):
        return _read_ctypes(value)
    has_values = _finds(value, _TO_LIST) or _finds(value, _PROTOCOLS)
    if not has_values and not _finds(value, (*_TO_SCALAR, *_TO_NUMPY)):
        return None
    if not has_values and not hasattr(value, "dtype"):
        # A method `item` or `numpy` may be anything: only one that returns a number or an array
        # reads the value.
        read = call_guarded(_read, value)
        return read if type(read) in _NUMBERS or copy_array(read) is not None else None
    jax = sys.modules.get("jax")
    if isinstance(value, getattr(jax, "Array", ())):
        return _copy_jax(jax, value)
    return _read(value) if _is_on_host(value) else _copy_later(value)


def _finds(value: Any, names: tuple[str, ...]) -> str | None:
    """Return the first of the names that the value's type has.

    Of the attributes of an instance, only the array interface counts, because a mock has any other.
    """
    kind = type(value)
    for name in names:
        if hasattr(kind, name) and not isinstance(getattr(kind, name), property):
            return name
        if name == "__array_interface__" and (
            hasattr(kind, name) or name in getattr(value, "__dict__", ())
        ):
            return name
    return None


def _copy_jax(jax: Any, value: Any) -> PendingArray | str:
    if isinstance(value, jax.core.Tracer):
        return f"<{value.dtype}{list(value.shape)}: it has no values while JAX traces a function>"
    if not value.is_fully_addressable:
        if not value.is_fully_replicated:
            return f"<{value.dtype}{list(value.shape)}: sharded over several processes>"
        value = value.addressable_data(0)
    return _copy_later(value)


def _copy_later(value: Any) -> PendingArray:
    """Return a copy made on its device, which is read off the caller's thread.

    A very large array is not copied: the copy might take memory that the training needs.
    """
    size_bytes = min(8 * (_count(value) or 1), MAX_COPIED_BYTES)
    if size_bytes < MAX_COPIED_BYTES:
        if _finds(value, ("copy",)):
            value = value.copy()
        elif _finds(value, ("__copy__",)):
            value = copy.copy(value)
    return PendingArray(partial(_read, value), size_bytes)


def _is_on_host(value: Any) -> bool:
    """Whether reading the values waits for no device."""
    if _finds(value, ("__dlpack_device__",)):
        number = call_guarded(lambda: int(value.__dlpack_device__()[0]))
        return isinstance(number, Failure) or number in _HOST_DEVICES
    if hasattr(value, "__cuda_array_interface__"):
        return False
    device = getattr(value, "device", None)
    return device is None or callable(device) or "cpu" in str(device).lower()


def _read(value: Any) -> Any:
    """Return the values by the first protocol that works.

    Raises:
        Exception: The first error, if none works.
    """
    count = _count(value)
    is_small = count is not None and count <= MAX_ELEMENTS
    # Lists keep the types and nulls of the library, but take long for a large array.
    readers = (_as_list, *_AS_ARRAY) if is_small else (*_AS_ARRAY, _as_list)
    first_error: BaseException | None = None
    for read in (*readers, _as_scalar):
        result = call_guarded(read, value)
        if not isinstance(result, Failure):
            if result is not None:
                return result
        elif first_error is None:
            first_error = result.error
    raise first_error or TypeError("it can only be read with NumPy, which is not loaded")


def _count(value: Any) -> int | None:
    """Return how many values there are, where the array knows."""
    count: Any = call_guarded(lambda: math.prod([int(length) for length in value.shape]))
    if isinstance(count, Failure):
        count = call_guarded(len, value)
    return None if isinstance(count, Failure) else count


def _as_list(value: Any) -> Any:
    name = _finds(value, _TO_LIST)
    if name is None:
        return None
    is_array = hasattr(value, "dtype") or hasattr(value, "itemsize")
    if not is_array and (_count(value) or 0) > MAX_ELEMENTS:
        # Not an array of numbers: a dataset, for example, may be larger than the memory.
        return describe_shape(getattr(value, "shape", (_count(value),)), "object")
    values = _checked(value, getattr(value, name))
    if not isinstance(values, list) or len(values) <= MAX_ELEMENTS:
        return values
    shape, dtype = getattr(value, "shape", (len(values),)), getattr(value, "dtype", "object")
    if _NUMBERS.issuperset(map(type, values)):
        return summarize_values(values, shape, dtype)
    return describe_shape(shape, dtype)


def _as_scalar(value: Any) -> Any:
    name = _finds(value, _TO_SCALAR)
    return None if name is None else _checked(value, getattr(value, name))


def _checked(value: Any, read: Callable[[], Any]) -> Any:
    values = read()
    if type(values) is type(value):
        raise TypeError(f"reading it returns another {type_name(value)}")
    return values


def _read_ctypes(value: Any) -> Any:
    if hasattr(value, "value"):  # a scalar, or a buffer of characters
        return value.value
    numpy = sys.modules.get("numpy")
    return list(value) if numpy is None or len(value) <= MAX_ELEMENTS else numpy.asarray(value)


def _by_array(value: Any) -> Any:
    return _checked_array(value.__array__()) if _finds(value, ("__array__",)) else None


def _by_interface(value: Any) -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is not None and (
        isinstance(value, (array, memoryview)) or _finds(value, ("__array_interface__",))
    ):
        return numpy.asarray(value)
    return None


def _by_dlpack(value: Any) -> Any:
    if not _finds(value, ("__dlpack__",)):
        return None
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    library = torch if numpy is None or not _is_on_host(value) else numpy
    return None if library is None else library.from_dlpack(value)


def _by_numpy(value: Any) -> Any:
    name = _finds(value, _TO_NUMPY)
    return None if name is None else _checked_array(getattr(value, name)())


def _checked_array(values: Any) -> Any:
    if not isinstance(values, sys.modules["numpy"].ndarray):
        raise TypeError(f"reading it as an array returns {type_name(values)}")
    return values


_AS_ARRAY = (_by_array, _by_interface, _by_dlpack, _by_numpy)
"""Return an array of NumPy or torch, which may share the memory of the value; None without one."""
