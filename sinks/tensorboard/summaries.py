"""Summaries other than scalars: histograms and texts, as serialised values of a `Summary`."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from math import isfinite

from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING

__all__ = ["histogram", "plugin_metadata", "text"]

_BUCKETS = 30


def histogram(tag: str, values: Iterable[float | None]) -> bytes:
    """Return a histogram of the finite values in up to 30 buckets of the same width.

    Returns:
        A serialised `Summary` of one value; of none when there is no finite value.
    """
    finite = [float(value) for value in values if value is not None and isfinite(value)]
    if not finite:
        return b""
    limits = _limits(min(finite), max(finite))
    counts = [0] * len(limits)
    # Rewards have few different values, so those are placed, not each value.
    for value, count in Counter(finite).items():
        counts[bisect_left(limits, value)] += count
    proto = HistogramProto(
        min=min(finite),
        max=max(finite),
        num=len(finite),
        sum=sum(finite),
        sum_squares=sum(value * value for value in finite),
        bucket_limit=limits,
        bucket=counts,
    )
    return _summary(Summary.Value(tag=tag, histo=proto))


def _limits(low: float, high: float) -> list[float]:
    """Return the right edges, inclusive; the last one is `high` exactly."""
    if low == high:
        return [high]
    # Each divided first: the difference of two large numbers may be infinite.
    width = high / _BUCKETS - low / _BUCKETS
    return [min(low + width * place, high) for place in range(1, _BUCKETS)] + [high]


def text(tag: str, plugin_name: str, data: bytes) -> bytes:
    """Return one string for a plugin (`text` takes Markdown), as a serialised `Summary`."""
    tensor = TensorProto(dtype=DT_STRING, tensor_shape=TensorShapeProto(), string_val=[data])
    return _summary(Summary.Value(tag=tag, metadata=plugin_metadata(plugin_name), tensor=tensor))


def plugin_metadata(plugin_name: str, content: bytes = b"") -> SummaryMetadata:
    """Return the metadata that leads a value to TensorBoard's plugin of that name."""
    plugin_data = SummaryMetadata.PluginData(plugin_name=plugin_name, content=content)
    return SummaryMetadata(plugin_data=plugin_data)


def _summary(value: Summary.Value) -> bytes:
    return bytes(Summary(value=[value]).SerializeToString())
