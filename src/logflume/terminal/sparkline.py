"""Sparklines: a series of numbers as one line of block characters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

__all__ = ["sparkline"]

_BLOCKS = "▁▂▃▄▅▆▇█"
_MAX_WIDTH = 60


def sparkline(values: Sequence[float], width: int = _MAX_WIDTH) -> str:
    """Return values as a line of block characters, scaled between their minimum and maximum.

    If there are more values than `width`, each character stands for the mean of adjacent values,
    in groups of about equal size.

    >>> sparkline([0.0, 1.0, 2.0, 7.0])
    '▁▂▃█'
    """
    if not values:
        return ""
    columns = min(width, len(values))
    edges = [column * len(values) // columns for column in range(columns + 1)]
    means = [fmean(values[start:end]) for start, end in pairwise(edges)]
    low, high = min(means), max(means)
    scale = (len(_BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BLOCKS[round((mean - low) * scale)] for mean in means)
