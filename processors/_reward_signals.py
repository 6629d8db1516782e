"""Signals of reward hacking: the reward rises, but not for what it is meant to reward."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

from ._findings import Finding
from ._trend import History, Row, WindowStats, has_risen

__all__ = ["RewardWithTruncation", "RewardWithoutCorrectness"]

_TRUNCATION = "completions/clipped_ratio"


class RewardWithTruncation:
    """The reward rises while more completions are truncated at the length limit.

    The current window is compared with the window that had the least truncation. This is typical
    of a policy that is rewarded for repeating itself.

    Args:
        window_reports: Length of the windows.
        rise: Minimum rise of the share of truncated completions, 0 to 1.
    """

    def __init__(self, window_reports: int, rise: float) -> None:
        self._history = History(
            ("reward", _TRUNCATION), window_reports, _least_truncated, primary=1
        )
        self._rise = rise

    def select(self, metrics: Collection[str]) -> Sequence[str]:
        """Return the metrics to read, given those of an event."""
        return self._history.select(metrics)

    def __call__(self, row: Row) -> Finding | None:
        """Evaluate one report."""
        history = self._history
        history.add(row)
        if (mean := history.mean()) is None or mean - history.reference[1].mean < self._rise:
            return None
        (reward_before, truncated_before), (reward, truncated) = (
            history.reference,
            history.current(),
        )
        if not has_risen(truncated_before, truncated) or not has_risen(reward_before, reward):
            return None
        return Finding(
            f"The reward rose from {reward_before.mean:.3g} to {reward.mean:.3g} while truncated "
            f"completions rose from {truncated_before.mean:.0%} to {truncated.mean:.0%}: read some "
            f"completions, the policy may be gaming a reward function.",
            {
                "metric": _TRUNCATION,
                "before": truncated_before.mean,
                "value": truncated.mean,
                "threshold": self._rise,
                "reward_before": reward_before.mean,
                "reward": reward.mean,
            },
        )


class RewardWithoutCorrectness:
    """The reward keeps rising while the reward function for correctness is flat.

    The reward has to rise in each of several windows, so that a policy that first learns the
    format, which is quick, raises no alert. Flat means a rise of less than a tenth of the reward's.
    A function that gives most completions the same high value has no room to rise and is ignored.

    Args:
        window_reports: Length of the windows.
        windows: Number of consecutive windows in which the reward has to rise.
        correctness: Text that the name of the function for correctness contains, in any case; the
            first match is used.
    """

    def __init__(self, window_reports: int, windows: int, correctness: str) -> None:
        self._window_reports = window_reports
        self._windows = windows
        self._name_part = correctness.lower()
        self._name: str | None = None
        self._history: History | None = None
        self._finding: Finding | None = None

    def select(self, metrics: Collection[str]) -> Sequence[str]:
        """Return the metrics to read, given those of an event."""
        self._history = self._history or self._create_history(metrics)
        return () if self._history is None else self._history.select(metrics)

    def __call__(self, row: Row) -> Finding | None:
        """Evaluate one report."""
        history = self._history
        if history is None:
            return None
        if history.add(row):
            self._finding = self._evaluate(list(history.windows)[-self._windows :])
        return self._finding

    def _evaluate(self, span: list[WindowStats]) -> Finding | None:
        """Evaluate the last complete windows."""
        if len(span) < self._windows or not _rises_in_each(span):
            return None
        (reward_before, correct_before, _), (reward, correct, deviation) = span[0], span[-1]
        has_room = deviation.mean >= correct.mean / 2
        is_flat = correct.mean - correct_before.mean < (reward.mean - reward_before.mean) / 10
        if not has_room or not is_flat:
            return None
        return Finding(
            f"Over {self._windows * self._window_reports} reports the reward rose from "
            f"{reward_before.mean:.3g} to {reward.mean:.3g} while {self._name} went from "
            f"{correct_before.mean:.3g} to {correct.mean:.3g}: the policy is learning something "
            f"other than correctness.",
            {
                "metric": f"rewards/{self._name}/mean",
                "before": correct_before.mean,
                "value": correct.mean,
                "reward_before": reward_before.mean,
                "reward": reward.mean,
            },
        )

    def _create_history(self, metrics: Collection[str]) -> History | None:
        for metric in metrics:
            name = metric.removeprefix("rewards/").removesuffix("/mean")
            if metric == f"rewards/{name}/mean" and self._name_part in name.lower():
                self._name = name
                names = ("reward", metric, f"rewards/{name}/std")
                return History(names, self._window_reports)
        return None


def _rises_in_each(span: list[WindowStats]) -> bool:
    rewards = [window[0] for window in span]
    in_each = all(before.mean < after.mean for before, after in pairwise(rewards))
    return in_each and has_risen(rewards[0], rewards[-1])


def _least_truncated(windows: Sequence[WindowStats]) -> WindowStats:
    return min(windows, key=lambda window: window[1].mean)
