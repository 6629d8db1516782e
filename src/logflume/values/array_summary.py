"""The summary that replaces a large array: its shape, type, statistics and histogram.

One implementation serves NumPy and torch, whose functions have the same names. It reads no value in
Python, so it doesn't wait for a GPU, and it works in chunks, so its memory is bounded.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

__all__ = ["BUCKETS", "describe_shape", "summarize_array", "summarize_values"]

BUCKETS = 64
"""Number of buckets of the histogram."""

_CHUNK_VALUES = 2**20
_GPU_CHUNK_VALUES = 2**24

_VAST, _TINY = 2.0**500, 2.0**-400
"""The squares of larger or smaller numbers may leave the range of a float. Such numbers are scaled
by a power of two, which is exact."""

_SCALE = 2.0**600


def describe_shape(shape: Iterable[Any], dtype: Any) -> dict[str, Any]:
    """Return what every summary has: `shape`, `dtype` and the number `n` of values.

    >>> describe_shape((2, 3000), "torch.float32")
    {'shape': [2, 3000], 'dtype': 'float32', 'n': 6000}
    """
    lengths = [int(length) for length in shape]
    return {
        "shape": lengths,
        "dtype": str(dtype).removeprefix("torch.").removeprefix("mlx.core."),
        "n": math.prod(lengths),
    }


def summarize_array(xp: Any, array: Any) -> Callable[[], dict[str, Any]]:
    """Summarize an array of booleans, integers or real numbers; return a function that reads it.

    The summary has the fields of `describe_shape` and

    - `nonfinite`: how many values are NaN or infinite; the other fields are about the finite ones
    - `min`, `max`, `mean`, `std` (of the population): numbers; null if no value is finite
    - `histogram`: how many values are in each of 64 buckets of equal width from `min` to `max`

    The summary of a CUDA tensor is computed on the GPU's stream. The returned function must not be
    called before the stream has reached that point.

    Args:
        xp: The module `numpy` or `torch`.
        array: An array of that module.
    """
    head = describe_shape(array.shape, array.dtype)
    is_numpy = xp.__name__ == "numpy"
    flat = array.ravel(order="K") if is_numpy else array.flatten()
    size = _CHUNK_VALUES if is_numpy or array.device.type == "cpu" else _GPU_CHUNK_VALUES
    parts = [flat[start : start + size] for start in range(0, len(flat), size)]
    # NumPy's warnings of infinities may be errors in the user's program.
    with xp.errstate(all="ignore") if is_numpy else contextlib.nullcontext():
        computed = _compute(xp, parts)
    if not is_numpy:
        computed = [value.to("cpu", non_blocking=True) for value in computed]
    return partial(_read, head, computed)


def _read(head: dict[str, Any], computed: Sequence[Any]) -> dict[str, Any]:
    finite, low, high, mean, std, counts = (value.tolist() for value in computed)
    numbers = [low, high, mean, std] if finite else [None] * 4
    return {
        **head,
        "nonfinite": head["n"] - finite,
        **dict(zip(("min", "max", "mean", "std"), numbers, strict=True)),
        "histogram": counts[:BUCKETS],
    }


def _compute(xp: Any, parts: Sequence[Any]) -> list[Any]:
    """Return number of finite values, minimum, maximum, mean, standard deviation and counts.

    Without a finite value, the numbers are meaningless.
    """

    def chunks() -> Iterable[tuple[Any, Any]]:
        for part in parts:
            values = part.astype(float) if xp.__name__ == "numpy" else part.to(xp.float64)
            yield values, xp.isfinite(values)

    finite = sum(is_finite.sum() for _, is_finite in chunks())
    low = xp.stack([xp.where(ok, values, math.inf).min() for values, ok in chunks()]).min()
    high = xp.stack([xp.where(ok, values, -math.inf).max() for values, ok in chunks()]).max()
    largest = xp.maximum(abs(low), abs(high))
    scale = xp.where(largest > _VAST, xp.full_like(low, 1 / _SCALE), xp.full_like(low, 1.0))
    scale = xp.where(largest < _TINY, xp.full_like(low, _SCALE), scale)
    start, end = low * scale, high * scale
    width = xp.where(end > start, end - start, xp.full_like(low, 1.0))
    mean = sum(xp.where(ok, values * scale, 0.0).sum() for values, ok in chunks()) / finite
    squares: Any = 0.0
    counts: Any = 0
    for values, ok in chunks():
        scaled = values * scale
        squares = squares + xp.where(ok, (scaled - mean) ** 2, 0.0).sum()
        bucket = xp.where(ok, (scaled - start) / width * BUCKETS, 0.0).clip(0, BUCKETS - 1)
        counts = counts + _count(xp, xp.where(ok, bucket, float(BUCKETS)))
    std = (squares / finite) ** 0.5
    # Rounding may put the mean of equal values just outside of their range.
    return [finite, low, high, mean.clip(start, end) / scale, std / scale, counts]


def _count(xp: Any, buckets: Any) -> Any:
    """Return the number of values in each bucket, followed by the number in none."""
    if xp.__name__ == "numpy":
        return xp.bincount(buckets.astype(int), minlength=BUCKETS + 1)
    # `torch.bincount` waits for the GPU.
    indices = buckets.to(xp.int64)
    counts = xp.zeros(BUCKETS + 1, dtype=xp.int64, device=indices.device)
    return counts.index_add_(0, indices, xp.ones_like(indices))


def summarize_values(values: Sequence[Any], shape: Iterable[Any], dtype: Any) -> dict[str, Any]:
    """Return the same summary of numbers in a list, without NumPy, which may not be loaded."""
    finite = [float(value) for value in values if math.isfinite(value)]
    head = {**describe_shape(shape, dtype), "nonfinite": len(values) - len(finite)}
    counts = [0] * BUCKETS
    if not finite:
        return {**head, **dict.fromkeys(("min", "max", "mean", "std")), "histogram": counts}
    low, high = min(finite), max(finite)
    largest = max(abs(low), abs(high))
    scale = 1 / _SCALE if largest > _VAST else _SCALE if largest < _TINY else 1.0
    scaled = [value * scale for value in finite]
    start, width = low * scale, high * scale - low * scale or 1.0
    # Rounding may put the mean of equal values just outside of their range.
    mean = min(max(math.fsum(scaled) / len(scaled), start), high * scale)
    std = math.sqrt(math.fsum((value - mean) ** 2 for value in scaled) / len(scaled))
    for value in scaled:
        counts[min(int((value - start) / width * BUCKETS), BUCKETS - 1)] += 1
    numbers = {"min": low, "max": high, "mean": mean / scale, "std": std / scale}
    return {**head, **numbers, "histogram": counts}
