"""Arrays and tensors: copied at the call, read later.

No library is imported here: a value can only be an array if its library is already loaded. Arrays
of NumPy and torch are handled here, those of other libraries by their protocols, in
`foreign_arrays`.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from typing import Any

from logflume.values.array_summary import describe_shape, summarize_array

__all__ = [
    "MAX_COPIED_BYTES",
    "MAX_ELEMENTS",
    "NumberList",
    "PendingArray",
    "copy_array",
    "copy_tensor",
]

MAX_ELEMENTS = 4_096
"""An array with more values becomes its summary (`array_summary`)."""

MAX_COPIED_BYTES = 2**26
"""A larger array in the host's memory is summarized at the call: a copy would be too large."""

_VALUE_BYTES = 8
_SUMMARY_BYTES = 1_000


class PendingArray:
    """A copy of an array or tensor whose values are read off the caller's thread.

    For a CUDA tensor, the copy to the host runs on the GPU's stream while the training continues;
    `ready` is the CUDA event that marks its arrival.

    Args:
        read: Returns the values, or a summary of them.
        memory_bytes: Approximate memory of the values.
        ready: The CUDA event to wait for before reading.
    """

    __slots__ = ("_read", "_ready", "memory_bytes")

    def __init__(self, read: Callable[[], Any], memory_bytes: int, ready: Any = None) -> None:
        self._read = read
        self._ready = ready
        self.memory_bytes = memory_bytes

    def read(self) -> Any:
        """Return the values as a number, nested lists or a summary, waiting for the GPU."""
        if self._ready is not None:
            self._ready.synchronize()
        return self._read()


class NumberList(PendingArray):
    """A long list of numbers as bytes, which the worker process converts to a list.

    Args:
        typecode: That of Python's module `array`: `q` for integers, `d` for floats.
        data: The numbers, in the machine's byte order.
    """

    __slots__ = ("data", "typecode")

    def __init__(self, typecode: str, data: bytes) -> None:
        super().__init__(lambda: array(typecode, data).tolist(), len(data))
        self.typecode = typecode
        self.data = data


def copy_array(value: Any, max_elements: int = MAX_ELEMENTS) -> PendingArray | Any | None:
    """Return a copy of an array or tensor, the Python value of a NumPy scalar, else None.

    An array of Python objects comes back as lists of the same objects, a very large array as its
    summary.

    Args:
        value: Any value.
        max_elements: An array with more values becomes its summary.

    Raises:
        Exception: Whatever the library raises where an array can't be copied.
    """
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        if isinstance(value, numpy.generic):
            return _scalar(numpy, value)
        if isinstance(value, numpy.ndarray):
            return _copy_ndarray(numpy, value, max_elements)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return _copy_tensor(torch, value.detach(), max_elements)
    return None


def copy_tensor(tensor: Any) -> PendingArray:
    """Return a copy of a tensor, which is read as a tensor in the host's memory.

    Use it if only a few rows are needed as lists.

    Args:
        tensor: A strided tensor on one device.
    """
    copy, ready = _start_copy(sys.modules["torch"], tensor.detach())
    return PendingArray(copy.cpu, copy.numel() * copy.element_size(), ready)


def _scalar(numpy: Any, value: Any) -> Any:
    if isinstance(value, numpy.floating):
        return float(value)  # item() of a long double stays one
    if isinstance(value, numpy.complexfloating):
        return complex(value)
    if isinstance(value, (numpy.datetime64, numpy.timedelta64)):
        return str(value)  # item() of one in nanoseconds is a bare number
    return value.item()


def _copy_ndarray(numpy: Any, array: Any, max_elements: int) -> Any:
    is_masked = hasattr(array, "mask")
    if not is_masked:
        # A user's subclass may override anything.
        array = numpy.ndarray.view(array, numpy.ndarray)
    kind = array.dtype.kind
    if array.size > max_elements:
        return _summarize_ndarray(numpy, array, is_masked)
    if kind == "O":
        return array.tolist()
    if kind in "mM":
        array = array.astype(str)  # lists of nanoseconds are bare numbers
    elif array.dtype == numpy.longdouble:
        array = array.astype(float)  # lists of long doubles hold long doubles
    elif array.dtype == numpy.clongdouble:
        array = array.astype(complex)
    else:
        array = array.copy()
    return PendingArray(array.tolist, max(array.nbytes, _VALUE_BYTES * array.size))


def _summarize_ndarray(numpy: Any, array: Any, is_masked: bool) -> Any:
    is_extension = array.dtype.kind == "V" and array.dtype.names is None  # such as bfloat16
    if array.dtype.kind not in "biuf" and not is_extension:
        return describe_shape(array.shape, array.dtype)
    if is_masked:
        array = array.astype(float).filled(numpy.nan)
    elif array.nbytes <= MAX_COPIED_BYTES:
        array = array.copy()
        return PendingArray(lambda: summarize_array(numpy, array)(), array.nbytes)
    return summarize_array(numpy, array)()


def _copy_tensor(torch: Any, tensor: Any, max_elements: int) -> Any:
    if hasattr(tensor, "to_local") and hasattr(tensor, "placements"):
        # Gathering a DTensor would be a collective operation, for which other ranks may not be
        # ready. Of a replicated one, each rank has all values.
        if not all(placement.is_replicate() for placement in tensor.placements):
            return f"<DTensor {list(tensor.shape)}: sharded over several ranks, not gathered>"
        tensor = tensor.to_local()
    if tensor.is_nested:
        return [_copy_tensor(torch, part, max_elements) for part in tensor.unbind()]
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    count = tensor.numel()
    if tensor.layout != torch.strided:
        if count * tensor.element_size() > MAX_COPIED_BYTES:
            return describe_shape(tensor.shape, tensor.dtype)
        tensor = tensor.to_dense()
    if count > max_elements:
        return _summarize_tensor(torch, tensor)
    copy, ready = _start_copy(torch, tensor)
    return PendingArray(copy.tolist, _VALUE_BYTES * count, ready)


def _start_copy(torch: Any, tensor: Any) -> tuple[Any, Any]:
    """Return a copy of a tensor, and the CUDA event to wait for before it is read, if any."""
    if tensor.device.type != "cuda":
        return tensor.clone(), None
    # With non_blocking torch copies into pinned memory and returns at once.
    return tensor.to("cpu", non_blocking=True), _arrival(torch, tensor.device)


def _summarize_tensor(torch: Any, tensor: Any) -> Any:
    if tensor.is_complex():
        return describe_shape(tensor.shape, tensor.dtype)
    if tensor.device.type == "cuda":
        read = summarize_array(torch, tensor)
        return PendingArray(read, _SUMMARY_BYTES, _arrival(torch, tensor.device))
    size_bytes = tensor.numel() * tensor.element_size()
    if tensor.device.type == "cpu" and size_bytes > MAX_COPIED_BYTES:
        return summarize_array(torch, tensor)()
    copy = tensor.clone()
    return PendingArray(lambda: summarize_array(torch, copy.cpu())(), size_bytes)


def _arrival(torch: Any, device: Any) -> Any:
    """Return a CUDA event that marks the end of all work submitted so far."""
    ready = torch.cuda.Event()
    ready.record(torch.cuda.current_stream(device))
    return ready
