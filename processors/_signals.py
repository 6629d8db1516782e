"""Signals of a training that no longer learns, or not as before.

A report is mostly a row: some numbers of one event. A signal answers with a finding for as
long as its condition holds; that it is told once is not its business.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Sequence

from logflume.protocols import EventDict

from ._findings import Finding
from ._trend import History, Levels, Row, fit_line, rose

__all__ = [
    "NonfiniteLoss",
    "OffTrend",
    "VarianceCollapse",
    "ZeroSignal",
]

_ZERO_SHARE = "frac_reward_zero_std"


class NonfiniteLoss:
    """The loss is NaN or infinite. Its report is the event itself."""

    def __call__(self, event_dict: EventDict) -> Finding | None:
        """Look at one event."""
        loss = event_dict.get("loss")
        if type(loss) is not float or math.isfinite(loss):
            return None
        return Finding(f"The loss is {loss}.", {"metric": "loss", "value": loss})


class VarianceCollapse:
    """The spread of the reward within groups is gone, and not because the reward got better.

    Args:
        window_reports: Length of the windows.
        share: Below which share of the widest spread so far it is gone, 0 to 1.
    """

    def __init__(self, window_reports: int, share: float) -> None:
        self._history = History(("reward_std", "reward"), window_reports, _widest)
        self._share = share

    def select(self, metrics: Collection[str]) -> Sequence[str]:
        """Return what it reads of an event with these metrics."""
        return self._history.select(metrics)

    def __call__(self, row: Row) -> Finding | None:
        """Take one report."""
        history = self._history
        history.add(row)
        if (mean := history.mean()) is None or mean >= self._share * history.before[0].mean:
            return None
        (spread_before, reward_before), (spread, reward) = history.before, history.now()
        if rose(reward_before, reward):
            return None
        return Finding(
            f"The spread of the reward within groups fell from {spread_before.mean:.3g} to "
            f"{spread.mean:.3g} while the reward went from {reward_before.mean:.3g} to "
            f"{reward.mean:.3g}: the policy has collapsed onto one way to answer.",
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
    """In most groups all completions have the same reward: nothing is learned from them.

    Args:
        window_reports: Length of the window.
        share: From which share of the groups on, 0 to 1.
    """

    def __init__(self, window_reports: int, share: float) -> None:
        self._history = History((_ZERO_SHARE,), window_reports)
        self._share = share

    def select(self, metrics: Collection[str]) -> Sequence[str]:
        """Return what it reads of an event with these metrics."""
        return self._history.select(metrics)

    def __call__(self, row: Row) -> Finding | None:
        """Take one report."""
        history = self._history
        history.add(row)
        if (share := history.mean()) is None or share < self._share:
            return None
        return Finding(
            f"In {share:.0%} of the groups all completions have the same reward: the "
            f"problems are too easy or too hard to learn from.",
            {"metric": _ZERO_SHARE, "value": share, "threshold": self._share},
        )


class OffTrend:
    """A metric has left what its last window led to expect, for five reports in a row.

    Expected is what lies between the least and the greatest value of the window before, and the
    line through that window. Left is by `factor` times, by four standard deviations around the
    line, and by 0.05 at least: small numbers jump about.

    Args:
        metric: Name of the metric, which is in nats.
        window_reports: Length of the window.
        factor: How many times above what is expected, or below it.
        is_fall_bad: Whether a fall counts as well as a rise.
    """

    _REPORTS = 5
    _DEVIATIONS = 4.0
    _LEAST = 0.05

    def __init__(
        self, metric: str, window_reports: int, factor: float, *, is_fall_bad: bool
    ) -> None:
        self._metric = metric
        self._window_reports = window_reports
        self._factor = factor
        self._is_fall_bad = is_fall_bad
        self._window: deque[float] = deque(maxlen=window_reports)
        self._last: deque[float] = deque(maxlen=self._REPORTS)

    def select(self, metrics: Collection[str]) -> Sequence[str]:
        """Return what it reads of an event with these metrics."""
        return (self._metric,) if self._metric in metrics else ()

    def __call__(self, row: Row) -> Finding | None:
        """Take one report."""
        last, window = self._last, self._window
        if not math.isnan(row[0]):
            if len(last) == self._REPORTS:
                window.append(last[0])
            last.append(row[0])
        if len(window) < self._window_reports:
            return None
        # A look at one value of each settles it mostly.
        newest, inside = last[-1], window[-1]
        is_above = newest > inside and (least := min(last)) > inside and least > max(window)
        if is_above or (newest < max(0.0, inside) and max(last) < max(0.0, min(window))):
            return self._judge(list(last), list(window))
        return None

    def _judge(self, last: list[float], window: list[float]) -> Finding | None:
        expected, deviation = fit_line(window, at=len(window) + self._REPORTS - 1)
        margin = max(self._DEVIATIONS * deviation, self._LEAST)
        high, low = max(*window, expected), max(0.0, min(*window, expected))
        ceiling = max(self._factor * high, high + margin)
        floor = min(low / self._factor, low - margin)
        if min(last) > ceiling:
            return self._found("above", last, high, ceiling)
        if self._is_fall_bad and max(last) < floor:
            return self._found("below", last, low, floor)
        return None

    def _found(self, side: str, last: list[float], expected: float, threshold: float) -> Finding:
        value = sum(last) / len(last)
        return Finding(
            f"{self._metric} is {value:.3g} over the last {self._REPORTS} reports, far {side} the "
            f"{expected:.3g} that its trend led to expect.",
            {
                "metric": self._metric,
                "before": expected,
                "value": value,
                "threshold": threshold,
            },
        )


def _widest(windows: Sequence[Levels]) -> Levels:
    return max(windows, key=lambda levels: levels[0].mean)
