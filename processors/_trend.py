"""How a metric moves: the level of a window of reports, and whether it rose."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from operator import itemgetter, mul

from logflume.values.getter import getter

__all__ = ["History", "Level", "Levels", "fit_line", "is_usable", "rose"]

_EARLIER_WINDOWS = 50
_NOISE_FACTOR = 4.0
_RELATIVE_RISE = 0.05
_LARGEST = 1e150  # the square of more is infinite


class Level:
    """Mean and standard deviation of a metric over some reports.

    Args:
        values: At least one.

    Attributes:
        mean: The mean.
        count: How many values there are.
    """

    def __init__(self, values: Collection[float]) -> None:
        self.mean = sum(values) / len(values)
        self.count = len(values)
        self._values = values

    @cached_property
    def std(self) -> float:
        """The standard deviation, as population. Hardly ever asked for: most means say enough."""
        off = [value - self.mean for value in self._values]
        return math.sqrt(sum(map(mul, off, off)) / self.count)


Levels = tuple[Level, ...]
"""The levels of some metrics over the same reports."""


def is_usable(value: float) -> bool:
    """Return whether a value is finite, and its square too."""
    return -_LARGEST < value < _LARGEST  # NaN is not


def rose(before: Level, now: Level) -> bool:
    """Return whether a mean rose beyond what noise does.

    That is by four standard errors of the difference of two means, and by 5 % of the larger one.
    """
    rise = now.mean - before.mean
    error = math.sqrt(before.std * before.std / before.count + now.std * now.std / now.count)
    scale = max(abs(before.mean), abs(now.mean))
    return rise > _NOISE_FACTOR * error and rise > _RELATIVE_RISE * scale


def fit_line(values: Sequence[float], at: float) -> tuple[float, float]:
    """Fit a line through values at 0, 1, 2 …, by least squares.

    Args:
        values: At least two.
        at: Where the line is wanted.

    Returns:
        The line at `at`, and the standard deviation of the values around it.
    """
    middle = (len(values) - 1) / 2
    mean = sum(values) / len(values)
    slope = sum((x - middle) * (y - mean) for x, y in enumerate(values)) / sum(
        (x - middle) * (x - middle) for x in range(len(values))
    )
    residuals = [y - mean - slope * (x - middle) for x, y in enumerate(values)]
    return mean + slope * (at - middle), Level(residuals).std


class History:
    """The last window of some metrics, and the levels of up to 50 whole windows before.

    Only reports that have all of the metrics, finite, count: levels of one window belong together.

    Args:
        names: The metrics, in order.
        window_reports: Length of a window.
        choose: Picks one of the windows before, when one is added; the last, if nothing is said.

    Attributes:
        earlier: The levels of the windows before.
        before: Those of the window that was picked; empty while there is none.
    """

    def __init__(
        self,
        names: Sequence[str],
        window_reports: int,
        choose: Callable[[Sequence[Levels]], Levels] = itemgetter(-1),
    ) -> None:
        self._names = names
        self._get = getter(names)
        self._size = window_reports
        self._columns = [deque[float](maxlen=window_reports) for _ in names]
        self._since_closed = 0
        self._choose = choose
        self.earlier: deque[Levels] = deque(maxlen=_EARLIER_WINDOWS)
        self.before: Levels = ()

    def select(self, metrics: Collection[str]) -> Collection[str]:
        """Return the metrics of this history if they are among these, else nothing."""
        return self._names if set(self._names).issubset(metrics) else ()

    def add(self, metrics: Mapping[str, float]) -> None:
        """Take one report, which has all of the metrics."""
        row = self._get(metrics)
        if math.isnan(sum(row)):
            return
        for column, value in zip(self._columns, row, strict=True):
            column.append(value)
        self._since_closed += 1
        if self._since_closed == self._size:
            self.earlier.append(tuple([Level(tuple(column)) for column in self._columns]))
            self.before = self._choose(self.earlier)
            self._since_closed = 0

    def mean(self, place: int) -> float:
        """Return the mean of one metric over the last window, or what there is of it.

        Args:
            place: Which of the metrics. At least one report has them all.
        """
        column = self._columns[place]
        return sum(column) / len(column)

    @property
    def is_full(self) -> bool:
        """Whether there is a whole window."""
        return len(self._columns[0]) == self._size

    def now(self) -> Levels:
        """Return the levels of the last window, in the order of the names.

        At first it is the first of the earlier windows, too. They hold until the next report.
        """
        return tuple(map(Level, self._columns))
