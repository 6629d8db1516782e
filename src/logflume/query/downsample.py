"""Reduces a curve to fewer points without losing its extremes, for plots."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logflume.exceptions import QueryError
from logflume.query.columns import with_columns
from logflume.query.groupings import Array, group_rows

__all__ = ["check_max_points", "downsample_long", "downsample_wide"]

_SERIES = ["run", "rank", "attempt", "event", "mode", "name"]
_PER_BUCKET = 4
"""The first, the last, the lowest and the highest point; NaN needs one more."""


def check_max_points(max_points: int | None) -> None:
    """Raise an error if the maximum number of points of a curve is too low.

    Raises:
        QueryError: It is.
    """
    if max_points is not None and max_points < _PER_BUCKET + 1:
        raise QueryError(
            f"metrics: max_points={max_points}: expected {_PER_BUCKET + 1} or more, for the first, "
            "last, lowest and highest point, and one that is NaN"
        )


def downsample_long(points: pa.Table, max_points: int) -> pa.Table:
    """Return at most `max_points` rows for each metric, event type, mode, run, rank and attempt.

    Args:
        points: Metrics in long form. Rows of one series are in the order of their steps.
        max_points: The maximum number of points of a series.
    """
    values = points["value"].to_numpy()
    is_kept = np.zeros(len(points), bool)
    for rows in group_rows(points, _SERIES).rows():
        is_kept[rows[find_points(values[rows], max_points)]] = True
    return points.filter(pa.array(is_kept))


def downsample_wide(points: pa.Table, keys: Sequence[str], max_points: int) -> pa.Table:
    """Return at most `max_points` values for each metric, mode and run, and null for the others.

    Args:
        points: Metrics in wide form, in the order of their steps.
        keys: The key columns.
        max_points: The maximum number of values of each metric.
    """
    series = list(group_rows(points, [key for key in keys if key != "step"]).rows())
    has_any = np.zeros(len(points), bool)
    for name in points.column_names:
        if name in keys:
            continue
        is_kept = np.zeros(len(points), bool)
        is_valid = pc.is_valid(points[name]).to_numpy(zero_copy_only=False)
        values = points[name].to_numpy()
        for of_series in series:
            rows = of_series[is_valid[of_series]]
            is_kept[rows[find_points(values[rows], max_points)]] = True
        kept = pc.if_else(pa.array(is_kept), points[name], None)
        points = with_columns(points, {name: kept})
        has_any |= is_kept
    return points.filter(pa.array(has_any))


def find_points(values: Array, max_points: int) -> Array:
    """Return the indices of at most `max_points` values that show the shape of all of them.

    The values are split into stretches of equal length. Each stretch keeps its first, last, lowest
    and highest value, and its first NaN.

    Args:
        values: Shape [points].
        max_points: The maximum number of indices, at least 5.
    """
    if len(values) <= max_points:
        return np.arange(len(values))
    is_nan = np.isnan(values)
    buckets = max_points // (_PER_BUCKET + int(is_nan.any()))
    size, longer = divmod(len(values), buckets)
    # The first stretches may have one value more, so the stretches are the rows of two matrices.
    middle = longer * (size + 1)
    kept = []
    for start, shape in ((0, (longer, size + 1)), (middle, (buckets - longer, size))):
        stretches = slice(start, start + shape[0] * shape[1])
        numbers, nans = values[stretches].reshape(shape), is_nan[stretches].reshape(shape)
        firsts = start + shape[1] * np.arange(shape[0])
        kept += [
            firsts,
            firsts + shape[1] - 1,
            firsts + np.where(nans, np.inf, numbers).argmin(axis=1),
            firsts + np.where(nans, -np.inf, numbers).argmax(axis=1),
            firsts + nans.argmax(axis=1),
        ]
    return np.unique(np.concatenate(kept))
