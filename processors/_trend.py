"""Statistics of metrics over windows of reports, and tests for whether a mean has risen."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from operator import itemgetter, mul

__all__ = ["History", "Row", "Stats", "WindowStats", "fit_line", "has_risen", "is_usable"]

_MAX_WINDOWS = 50
_NOISE_FACTOR = 4.0
_RELATIVE_RISE = 0.05
_MAX_MAGNITUDE = 1e150  # squares of larger values overflow to infinity


class Stats:
    """Mean and standard deviation of a metric over some reports.

    Args:
        values: At least one.

    Attributes:
        mean: The mean.
        count: Number of values.
    """

    def __init__(self, values: Collection[float]) -> None:
        self.mean = sum(values) / len(values)
        self.count = len(values)
        self._values = values

    @cached_property
    def std(self) -> float:
        """The population standard deviation. Computed on demand, because it is rarely needed."""
        deviations = [value - self.mean for value in self._values]
        return math.sqrt(sum(map(mul, deviations, deviations)) / self.count)


Row = tuple[float, ...]
"""The selected metrics of one report, in the order of the signal."""

WindowStats = tuple[Stats, ...]
"""The statistics of several metrics over the same window of reports."""


def is_usable(value: float) -> bool:
    """Return whether a value and its square are finite."""
    return -_MAX_MAGNITUDE < value < _MAX_MAGNITUDE  # False for NaN


def has_risen(before: Stats, now: Stats) -> bool:
    """Return whether a mean has risen by more than noise.

    The rise has to exceed four standard errors of the difference of the means, and 5 % of the
    larger mean.
    """
    rise = now.mean - before.mean
    error = math.sqrt(before.std * before.std / before.count + now.std * now.std / now.count)
    scale = max(abs(before.mean), abs(now.mean))
    return rise > _NOISE_FACTOR * error and rise > _RELATIVE_RISE * scale


def fit_line(values: Sequence[float], at: float) -> tuple[float, float]:
    """Fit a line through values at 0, 1, 2 … by least squares.

    Args:
        values: At least two.
        at: Where to evaluate the line.

    Returns:
        The value of the line at `at`, and the standard deviation of the values around the line.
    """
    middle = (len(values) - 1) / 2
    mean = sum(values) / len(values)
    slope = sum((x - middle) * (y - mean) for x, y in enumerate(values)) / sum(
        (x - middle) * (x - middle) for x in range(len(values))
    )
    residuals = [y - mean - slope * (x - middle) for x, y in enumerate(values)]
    return mean + slope * (at - middle), Stats(residuals).std


class History:
    """The sliding window of some metrics, and the statistics of up to 50 completed windows.

    Only reports with a finite value of every metric count, so that all statistics of a window are
    over the same reports.

    Args:
        names: The metrics, in order.
        window_reports: Length of a window.
        choose: Selects the reference window from the completed ones, each time one is added. By
            default the last one.
        primary: Index of the metric that `mean` returns.

    Attributes:
        windows: The statistics of the completed windows.
        reference: Those of the selected window; empty before the first one is complete.
    """

    def __init__(
        self,
        names: Sequence[str],
        window_reports: int,
        choose: Callable[[Sequence[WindowStats]], WindowStats] = itemgetter(-1),
        *,
        primary: int = 0,
    ) -> None:
        self._names = names
        self._size = window_reports
        self._rows: deque[Row] = deque(maxlen=window_reports)
        self._primary_index = primary
        self._primary: deque[float] = deque(maxlen=window_reports)
        self._since_closed = 0
        self._choose = choose
        self.windows: deque[WindowStats] = deque(maxlen=_MAX_WINDOWS)
        self.reference: WindowStats = ()

    def select(self, metrics: Collection[str]) -> Sequence[str]:
        """Return the metrics of this history if all of them are in `metrics`, else nothing."""
        return self._names if set(self._names).issubset(metrics) else ()

    def add(self, row: Row) -> bool:
        """Add one report, its metrics in order; return whether that completes a window."""
        if math.isnan(sum(row)):
            return False
        self._rows.append(row)
        self._primary.append(row[self._primary_index])
        self._since_closed += 1
        if self._since_closed < self._size:
            return False
        self.windows.append(self.current())
        self.reference = self._choose(self.windows)
        self._since_closed = 0
        return True

    def mean(self) -> float | None:
        """Return the mean of the primary metric over the sliding window; None until it is full."""
        primary = self._primary
        return sum(primary) / self._size if len(primary) == self._size else None

    def current(self) -> WindowStats:
        """Return the statistics of the sliding window, in the order of the names.

        When the first window is complete, it is also the first of the completed windows.
        """
        return tuple(map(Stats, zip(*self._rows, strict=True)))
