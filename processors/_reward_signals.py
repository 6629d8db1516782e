"""Signals of a policy that is paid for something other than what is wanted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

from ._findings import Finding
from ._trend import History, Levels, Row, rose

__all__ = ["RewardWithTruncation", "RewardWithoutCorrectness"]

_TRUNCATION = "completions/clipped_ratio"


class RewardWithTruncation:
    """The reward is up while more completions are cut at the length limit.

    Compared with the window that had the least truncation: what a policy does that is paid for
    repeating itself.

    Args:
        window_reports: Length of the windows.
        rise: How much the share of truncated completions has to rise, 0 to 1.
    """

    def __init__(self, window_reports: int, rise: float) -> None:
        self._history = History(
            ("reward", _TRUNCATION), window_reports, _least_truncated, leading=1
        )
        self._rise = rise

    def select(self, metrics: Collection[str]) -> Sequence[str]:
        """Return what it reads of an event with these metrics."""
        return self._history.select(metrics)

    def __call__(self, row: Row) -> Finding | None:
        """Take one report."""
        history = self._history
        history.add(row)
        if (mean := history.mean()) is None or mean - history.before[1].mean < self._rise:
            return None
        (reward_before, cut_before), (reward, cut) = history.before, history.now()
        if not rose(cut_before, cut) or not rose(reward_before, reward):
            return None
        return Finding(
            f"The reward rose from {reward_before.mean:.3g} to {reward.mean:.3g} while truncated "
            f"completions rose from {cut_before.mean:.0%} to {cut.mean:.0%}: read some "
            f"completions, the policy may be gaming a reward function.",
            {
                "metric": _TRUNCATION,
                "before": cut_before.mean,
                "value": cut.mean,
                "threshold": self._rise,
                "reward_before": reward_before.mean,
                "reward": reward.mean,
            },
        )


class RewardWithoutCorrectness:
    """The reward rises on and on while the function for correctness is flat.

    "On and on" is in each of several windows, so that learning the format first, which is quick,
    is no alarm. Flat is a rise of less than a tenth of the reward's. A function that gives most
    completions the same high value has no room to rise, and is left alone.

    Args:
        window_reports: Length of the windows.
        windows: How many windows in a row the reward has to rise.
        correctness: What the name of the function contains, in any case; the first such counts.
    """

    def __init__(self, window_reports: int, windows: int, correctness: str) -> None:
        self._window_reports = window_reports
        self._windows = windows
        self._wanted = correctness.lower()
        self._name: str | None = None
        self._history: History | None = None
        self._finding: Finding | None = None

    def select(self, metrics: Collection[str]) -> Sequence[str]:
        """Return what it reads of an event with these metrics."""
        self._history = self._history or self._begin(metrics)
        return () if self._history is None else self._history.select(metrics)

    def __call__(self, row: Row) -> Finding | None:
        """Take one report."""
        history = self._history
        if history is None:
            return None
        if history.add(row):
            self._finding = self._judge(list(history.earlier)[-self._windows :])
        return self._finding

    def _judge(self, span: list[Levels]) -> Finding | None:
        """Look at the last whole windows."""
        if len(span) < self._windows or not _rises_in_each(span):
            return None
        (reward_before, right_before, _), (reward, right, deviation) = span[0], span[-1]
        has_room = deviation.mean >= right.mean / 2
        is_flat = right.mean - right_before.mean < (reward.mean - reward_before.mean) / 10
        if not has_room or not is_flat:
            return None
        return Finding(
            f"Over {self._windows * self._window_reports} reports the reward rose from "
            f"{reward_before.mean:.3g} to {reward.mean:.3g} while {self._name} went from "
            f"{right_before.mean:.3g} to {right.mean:.3g}: what is learned is not correctness.",
            {
                "metric": f"rewards/{self._name}/mean",
                "before": right_before.mean,
                "value": right.mean,
                "reward_before": reward_before.mean,
                "reward": reward.mean,
            },
        )

    def _begin(self, metrics: Collection[str]) -> History | None:
        for metric in metrics:
            name = metric.removeprefix("rewards/").removesuffix("/mean")
            if metric == f"rewards/{name}/mean" and self._wanted in name.lower():
                self._name = name
                watched = ("reward", metric, f"rewards/{name}/std")
                return History(watched, self._window_reports)
        return None


def _rises_in_each(span: list[Levels]) -> bool:
    rewards = [levels[0] for levels in span]
    in_each = all(before.mean < after.mean for before, after in pairwise(rewards))
    return in_each and rose(rewards[0], rewards[-1])


def _least_truncated(windows: Sequence[Levels]) -> Levels:
    return min(windows, key=lambda levels: levels[1].mean)
