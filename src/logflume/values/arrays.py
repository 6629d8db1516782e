"""NumPy arrays and torch tensors: copied at the call, read later.

Neither library is imported here: a value can only be an array if its library is already loaded.
"""

from __future__ import annotations

import math
import sys
from typing import Any

__all__ = ["MAX_ELEMENTS", "PendingArray", "copy_array"]

MAX_ELEMENTS = 100_000
"""Larger arrays are not copied: a text with type and shape takes their place."""


_VALUE_BYTES = 8


class PendingArray:
    """A copy of an array or tensor whose values are read off the caller's thread.

    For a CUDA tensor the copy to the host runs on the GPU's stream while training goes on; `ready`
    is the CUDA event that marks its arrival.

    Attributes:
        memory_bytes: About how much memory the values take.
    """

    __slots__ = ("_copy", "_ready", "memory_bytes")

    def __init__(self, copy: Any, ready: Any = None) -> None:
        self.memory_bytes = _VALUE_BYTES * math.prod(copy.shape)
        self._copy = copy
        self._ready = ready

    def tolist(self) -> Any:
        """Return the values as a number or nested lists, waiting for the GPU where needed."""
        if self._ready is not None:
            self._ready.synchronize()
        return self._copy.tolist()


def copy_array(value: Any) -> PendingArray | Any | None:
    """Return a copy of an array or tensor, the Python value of a NumPy scalar, else None.

    An array of Python objects comes back as lists of the same objects.

    Raises:
        Exception: Whatever the library raises where an array can't be copied.
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


def _copy_tensor(torch: Any, tensor: Any) -> PendingArray | str:
    if hasattr(tensor, "to_local") and hasattr(tensor, "placements"):
        # A DTensor: to gather it would be a collective operation, for which other ranks may not be
        # ready. Replicated, each rank has all of it.
        if not all(placement.is_replicate() for placement in tensor.placements):
            return f"<DTensor {list(tensor.shape)}: sharded over several ranks, not gathered>"
        tensor = tensor.to_local()
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
