"""Signals of a training that has stopped learning, or has become unstable.

The report of most signals is a row: the selected metrics of one event. A signal returns its
finding for as long as the condition holds; `TrackedSignal` makes sure that it is reported once.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Sequence
from typing import TypeGuard

from logflume.protocols import EventDict

from ._findings import Finding
from ._trend import History, Row, WindowStats, fit_line, has_risen

__all__ = [
    "Nonfinite",
    "OffTrend",
    "VarianceCollapse",
    "ZeroSignal",
]

_ZERO_SHARE = "frac_reward_zero_std"


class Nonfinite:
    """A metric is NaN or infinite. The report is the event itself.

    Args:
        metric: The metric.
        title: What it is, for the message.
        cause: A metric whose non-finite value explains that of this one, so that there is only one
            alert; None: none.
    """

    def __init__(self, metric: str, title: str, cause: str | None = None) -> None:
        self._metric = metric
        self._title = title
        self._cause = cause

    def __call__(self, event_dict: EventDict) -> Finding | None:
        """Evaluate one event."""
        value = event_dict.get(self._metric)
        if not _is_nonfinite(value) or _is_nonfinite(event_dict.get(self._cause or "")):
            return None
        return Finding(f"The {self._title} is {value}.", {"metric": self._metric, "value": value})


class VarianceCollapse:
    """The spread of the reward within groups has collapsed without a gain in reward.

    Args:
        window_reports: Length of the windows.
        share: Share of the widest spread so far below which the spread has collapsed, 0 to 1.
    """

    def __init__(self, window_reports: int, share: float) -> None:
        self._history = History(("reward_std", "reward"), window_reports, _widest)
        self._share = share

    def select(self, metrics: Collection[str]) -> Sequence[str]:
        """Return the metrics to read, given those of an event."""
        return self._history.select(metrics)

    def __call__(self, row: Row) -> Finding | None:
        """Evaluate one report."""
        history = self._history
        history.add(row)
        if (mean := history.mean()) is None or mean >= self._share * history.reference[0].mean:
            return None
        (spread_before, reward_before), (spread, reward) = history.reference, history.current()
        if has_risen(reward_before, reward):
            return None
        return Finding(
            f"The standard deviation of the reward within groups fell from "
            f"{spread_before.mean:.3g} to {spread.mean:.3g} while the reward went from "
            f"{reward_before.mean:.3g} to {reward.mean:.3g}: the policy has collapsed to a single "
            f"kind of answer.",
            {
                "metric": "reward_std",
                "before": spread_before.mean,
                "value": spread.mean,
                "threshold": self._share * spread_before.mean,
                "reward_before": reward_before.mean,
                "reward": reward.mean,
            },
        )


class ZeroSignal:
    """In most groups, all completions have the same reward, so nothing is learned from them.

    Args:
        window_reports: Length of the window.
        share: Share of such groups at which the signal is present, 0 to 1.
    """

    def __init__(self, window_reports: int, share: float) -> None:
        self._history = History((_ZERO_SHARE,), window_reports)
        self._share = share

    def select(self, metrics: Collection[str]) -> Sequence[str]:
        """Return the metrics to read, given those of an event."""
        return self._history.select(metrics)

    def __call__(self, row: Row) -> Finding | None:
        """Evaluate one report."""
        history = self._history
        history.add(row)
        if (share := history.mean()) is None or share < self._share:
            return None
        return Finding(
            f"In {share:.0%} of the groups, all completions have the same reward: the "
            f"problems are too easy or too hard to learn from.",
            {"metric": _ZERO_SHARE, "value": share, "threshold": self._share},
        )


class OffTrend:
    """A metric leaves the range expected from its last window for five reports in a row.

    The expected range spans the minimum and maximum of the preceding window and the extrapolation
    of a line fitted to it. The metric is off the trend if it is outside this range by `factor`, by
    four standard deviations around the line, and by at least 0.05, because small values fluctuate.

    Args:
        metric: Name of the metric, in nats.
        window_reports: Length of the window.
        factor: Factor above or below the expected range.
        is_fall_bad: Whether a fall counts as well as a rise.
    """

    _REPORTS = 5
    _DEVIATIONS = 4.0
    _MIN_MARGIN = 0.05

    def __init__(
        self, metric: str, window_reports: int, factor: float, *, is_fall_bad: bool
    ) -> None:
        self._metric = metric
        self._window_reports = window_reports
        self._factor = factor
        self._is_fall_bad = is_fall_bad
        self._window: deque[float] = deque(maxlen=window_reports)
        self._recent: deque[float] = deque(maxlen=self._REPORTS)

    def select(self, metrics: Collection[str]) -> Sequence[str]:
        """Return the metrics to read, given those of an event."""
        return (self._metric,) if self._metric in metrics else ()

    def __call__(self, row: Row) -> Finding | None:
        """Evaluate one report."""
        recent, window = self._recent, self._window
        if not math.isnan(row[0]):
            if len(recent) == self._REPORTS:
                window.append(recent[0])
            recent.append(row[0])
        if len(window) < self._window_reports:
            return None
        # Comparing one value of each rules out most reports without a scan of the window.
        newest, inside = recent[-1], window[-1]
        is_above = newest > inside and (lowest := min(recent)) > inside and lowest > max(window)
        if is_above or (newest < max(0.0, inside) and max(recent) < max(0.0, min(window))):
            return self._evaluate(list(recent), list(window))
        return None

    def _evaluate(self, recent: list[float], window: list[float]) -> Finding | None:
        expected, deviation = fit_line(window, at=len(window) + self._REPORTS - 1)
        margin = max(self._DEVIATIONS * deviation, self._MIN_MARGIN)
        high, low = max(*window, expected), max(0.0, min(*window, expected))
        ceiling = max(self._factor * high, high + margin)
        floor = min(low / self._factor, low - margin)
        if min(recent) > ceiling:
            return self._finding("above", recent, high, ceiling)
        if self._is_fall_bad and max(recent) < floor:
            return self._finding("below", recent, low, floor)
        return None

    def _finding(
        self, side: str, recent: list[float], expected: float, threshold: float
    ) -> Finding:
        value = sum(recent) / len(recent)
        return Finding(
            f"{self._metric} averages {value:.3g} over the last {self._REPORTS} reports, far "
            f"{side} the {expected:.3g} expected from its trend.",
            {
                "metric": self._metric,
                "before": expected,
                "value": value,
                "threshold": threshold,
            },
        )


def _is_nonfinite(value: object) -> TypeGuard[float]:
    return type(value) is float and not math.isfinite(value)


def _widest(windows: Sequence[WindowStats]) -> WindowStats:
    return max(windows, key=lambda window: window[0].mean)
