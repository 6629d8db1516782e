"""Histograms, images and texts as serialized values of a `Summary`."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Sequence
from math import isfinite
from operator import mul, sub
from typing import Any

from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING

__all__ = ["histogram", "histogram_of_counts", "image", "plugin_metadata", "text"]

_BUCKETS = 30
_PNG = struct.Struct(">8s4x4sIIxB")
_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}


def histogram(tag: str, values: Sequence[float | None]) -> bytes:
    """Return a histogram of the finite values, with up to 30 buckets of equal width.

    Returns:
        A serialized `Summary` with one value; an empty one if no value is finite.
    """
    finite = sorted(float(value) for value in values if value is not None and isfinite(value))
    if not finite:
        return b""
    low, high = finite[0], finite[-1]
    limits = _limits(low, high, _BUCKETS) if low < high else [high]
    ends = [bisect_right(finite, limit) for limit in limits]
    proto = HistogramProto(
        min=low,
        max=high,
        num=len(finite),
        sum=sum(finite),
        sum_squares=sum(map(mul, finite, finite)),
        bucket_limit=limits,
        bucket=map(sub, ends, [0, *ends]),
    )
    return _summary(Summary.Value(tag=tag, histo=proto))


def histogram_of_counts(
    tag: str, low: Any, high: Any, mean: Any, std: Any, counts: Sequence[Any]
) -> bytes:
    """Return the histogram of an array's summary, as `logflume.values.array_summary` makes it.

    Returns:
        A serialized `Summary` with one value; an empty one if the numbers are no summary.
    """
    numbers = (low, high, mean, std, *counts)
    if not all(type(number) is float and isfinite(number) for number in numbers) or low > high:
        return b""
    total = sum(counts)
    proto = HistogramProto(
        min=low,
        max=high,
        num=total,
        sum=mean * total,
        sum_squares=(std * std + mean * mean) * total,
        bucket_limit=_limits(low, high, len(counts)),
        bucket=counts,
    )
    return _summary(Summary.Value(tag=tag, histo=proto))


def _limits(low: float, high: float, count: int) -> list[float]:
    """Return the inclusive right edges of the buckets; the last one is exactly `high`."""
    # Divided first, because the difference of two large numbers may be infinite.
    width = high / count - low / count
    return [*(min(low + width * index, high) for index in range(1, count)), high]


def image(tag: str, content: bytes) -> bytes:
    """Return a PNG file as a serialized `Summary`; an empty one if it is not a PNG."""
    if len(content) < _PNG.size:
        return b""
    start, chunk, width, height, color_type = _PNG.unpack_from(content)
    if (start, chunk) != (b"\x89PNG\r\n\x1a\n", b"IHDR") or color_type not in _CHANNELS:
        return b""
    proto = Summary.Image(
        width=width,
        height=height,
        colorspace=_CHANNELS[color_type],
        encoded_image_string=content,
    )
    return _summary(Summary.Value(tag=tag, image=proto))


def text(tag: str, plugin_name: str, data: bytes) -> bytes:
    """Return one string for a plugin (`text` expects Markdown) as a serialized `Summary`."""
    tensor = TensorProto(dtype=DT_STRING, tensor_shape=TensorShapeProto(), string_val=[data])
    return _summary(Summary.Value(tag=tag, metadata=plugin_metadata(plugin_name), tensor=tensor))


def plugin_metadata(plugin_name: str, content: bytes = b"") -> SummaryMetadata:
    """Return the metadata that assigns a value to a plugin of TensorBoard."""
    plugin_data = SummaryMetadata.PluginData(plugin_name=plugin_name, content=content)
    return SummaryMetadata(plugin_data=plugin_data)


def _summary(value: Summary.Value) -> bytes:
    return bytes(Summary(value=[value]).SerializeToString())
