"""How a metric moves: the level of a window of reports, and whether it rose."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from operator import itemgetter, mul

__all__ = ["History", "Level", "Levels", "Row", "fit_line", "is_usable", "rose"]

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


Row = tuple[float, ...]
"""Some metrics of one report, in an order of their reader."""

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

    Only reports with a finite value of each metric count: levels of one window belong together.

    Args:
        names: The metrics, in order.
        window_reports: Length of a window.
        choose: Picks one of the windows before, when one is added; the last, if nothing is said.
        leading: The place of the metric whose mean is asked for at each report.

    Attributes:
        earlier: The levels of the windows before.
        before: Those of the window that was picked; empty while there is none.
    """

    def __init__(
        self,
        names: Sequence[str],
        window_reports: int,
        choose: Callable[[Sequence[Levels]], Levels] = itemgetter(-1),
        *,
        leading: int = 0,
    ) -> None:
        self._names = names
        self._size = window_reports
        self._rows: deque[Row] = deque(maxlen=window_reports)
        self._place = leading
        self._leading: deque[float] = deque(maxlen=window_reports)
        self._since_closed = 0
        self._choose = choose
        self.earlier: deque[Levels] = deque(maxlen=_EARLIER_WINDOWS)
        self.before: Levels = ()

    def select(self, metrics: Collection[str]) -> Sequence[str]:
        """Return the metrics of this history if they are among these, else nothing."""
        return self._names if set(self._names).issubset(metrics) else ()

    def add(self, row: Row) -> bool:
        """Take one report, the metrics in order; return whether that makes a window whole."""
        if math.isnan(sum(row)):
            return False
        self._rows.append(row)
        self._leading.append(row[self._place])
        self._since_closed += 1
        if self._since_closed < self._size:
            return False
        self.earlier.append(self.now())
        self.before = self._choose(self.earlier)
        self._since_closed = 0
        return True

    def mean(self) -> float | None:
        """Return the mean of the leading metric over the last window; None before the first."""
        leading = self._leading
        return sum(leading) / self._size if len(leading) == self._size else None

    def now(self) -> Levels:
        """Return the levels of the last window, in the order of the names.

        At first it is the first of the earlier windows, too.
        """
        return tuple(map(Level, zip(*self._rows, strict=True)))
