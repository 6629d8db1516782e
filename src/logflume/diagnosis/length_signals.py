"""Problems of the lengths of completions."""

from __future__ import annotations

import math
from itertools import pairwise

from logflume.diagnosis.detector import Detector, first_known, high_from_start, pays_off, risen
from logflume.diagnosis.error_rate import CORRELATION_FACTOR
from logflume.diagnosis.finding import Evidence
from logflume.diagnosis.history import History
from logflume.diagnosis.scale import reward_scale

__all__ = ["LengthCollapse", "LengthGrowth", "Truncation"]


class LengthGrowth(Detector):
    """Completions become longer, but the reward doesn't rise.

    The last two blocks of the mean length are compared with the shortest two of the last 400
    reports. Both must be `factor` times as long, and longer by more than noise. The reward is
    compared with its level before the last three quarters of the growth: its gain, including two
    standard errors of independent reports, must be below 5% of its scale; below 10% if the length
    grew by the square of `factor`, and so on. From the cube of `factor` on, fewer standard errors
    are included. Where completions are logged, a correlation of 0.5 or more between length and
    reward within groups shows that the reward pays for length; then the gain doesn't matter.

    Args:
        factor: The growth.
    """

    signal = "length_growth"
    reads = ("completions/mean_length",)
    meaning = "Completions grow without a gain in reward."
    cause = (
        "The loss favours long wrong answers (a length bias), or a reward function pays for length."
    )
    try_next = (
        "Set `loss_type=dr_grpo` or `dapo` (TRL), `loss_agg_mode` (verl), or a penalty on overlong "
        "completions."
    )
    literature = (
        "Liu et al. 2025, Dr. GRPO, arXiv:2503.20783; Singhal et al. 2023, arXiv:2310.03716"
    )
    shows = "longest of the last completions"

    _BLOCKS = 42
    _MIN_BLOCKS = 5
    _MAX_GAIN = 0.05
    _BEGUN = 0.25
    _PAID = 0.5

    factor: float = 1.6

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the last two blocks with the shortest two."""
        lengths, rewards = history[self.reads[0]], history["reward"]
        if len(lengths.blocks) < self._MIN_BLOCKS or len(rewards.blocks) < 2:
            return None
        levels = [block.level for block in lengths.blocks[-self._BLOCKS :]]
        now = levels[-2:]
        before = min((a + b) / 2 for a, b in pairwise(levels[:-2]))
        value = (now[0] + now[1]) / 2
        if not min(now) >= self.factor * before > 0:
            return None
        if not lengths.is_significant(value - before, 2, 2):
            return None
        begun = lengths.crossing(before + self._BEGUN * (value - before), is_rise=True)
        reward_before, reward = rewards.mean_at(begun, blocks=2), rewards.mean(2)
        times = math.log(value / before) / math.log(self.factor)
        limit = times * self._MAX_GAIN * reward_scale(history)
        error = rewards.error(2, 2) / CORRELATION_FACTOR
        gain = reward - reward_before + 2 * error / max(1.0, times - 2)
        paid = history["length_correlation"].mean(1)
        is_paid = paid >= self._PAID  # False for NaN
        if not gain < limit and not is_paid:
            return None
        name = history.name(self.reads[0])
        why = f", and longer completions get more of it (correlation {paid:.2f})" if is_paid else ""
        return Evidence(
            f"{name} grew from {before:.4g} to {value:.4g} while the reward went from "
            f"{reward_before:.3g} to {reward:.3g}{why}.",
            name,
            value,
            before,
            self.factor * before,
            fields={"reward_before": reward_before, "reward": reward},
        )


class LengthCollapse(Detector):
    """Completions have become much shorter, without a gain in reward.

    A gain in reward doesn't rule it out if the share of correct answers has fallen by a seventh,
    and by more than noise: then the reward pays for brevity.

    Args:
        share: Share of the longest block. Half of it is reported even if the reward rises.
    """

    signal = "length_collapse"
    reads = ("completions/mean_length",)
    each_report = True
    meaning = "Completions have become very short."
    cause = "The policy stops reasoning: short answers are rewarded as well, or it ends at once."
    try_next = "Check penalties on length and the end token; raise `beta`; require reasoning."
    shows = "shortest of the last completions"

    _GAIN = 0.05

    share: float = 0.35

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the median of the last ten reports with the highest block."""
        lengths = history[self.reads[0]]
        top = lengths.top
        if top is None or lengths.last > self.share * top.level or len(lengths.blocks) < 3:
            return None
        value, limit = lengths.level(10), self.share * top.level
        if value > limit or not lengths.is_significant(top.level - value):
            return None
        long = lengths.crossing(0.8 * top.level, is_rise=False)
        if value > limit / 2 and pays_off(history, long, share=self._GAIN):
            return None
        name = history.name(self.reads[0])
        return Evidence(
            f"{name} fell from {top.level:.4g} to {value:.4g}.", name, value, top.level, limit
        )


class Truncation(Detector):
    """Most completions are truncated at the length limit.

    The median share of truncated completions over 20 reports is at least `share`, and has risen by
    a quarter from its lowest block; or it has been above 50% from the start, and hasn't lost a
    fifth of that, for 60 steps and at least 20 reports. At the end of training, 20 reports are
    enough.

    Args:
        share: Share of truncated completions, 0 to 1.
    """

    signal = "truncation"
    reads = ("completions/clipped_ratio", "rollouts/truncated")
    triggers = 2
    each_report = True
    judges_end = True
    meaning = "Most completions reach the length limit before they end."
    cause = "The limit is too low for the problems, or the policy no longer ends its answers."
    try_next = (
        "Raise `max_completion_length` (TRL) or `max_response_length` (verl); set "
        "`mask_truncated_completions`."
    )
    literature = "Yu et al. 2025, DAPO (overlong filtering), arXiv:2503.14476"
    shows = "truncated at the length limit"

    _REPORTS = 20
    _RISE = 0.25
    _FROM_START_SHARE = 0.5

    share: float = 0.3

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the median of the last twenty reports with the lowest block."""
        metric = first_known(history, self.reads)
        series = history[metric]
        if series.last < self.share or series.highest > 1:  # a count is no share
            return None
        change = risen(series, level=self.share, rise=self._RISE, reports=self._REPORTS)
        name = history.name(metric)
        if change is not None:
            return Evidence(
                f"The share of truncated completions rose from {change.before:.0%} to "
                f"{change.value:.0%}.",
                name,
                change.value,
                change.before,
                self.share,
            )
        if (change := high_from_start(history, metric, self._FROM_START_SHARE)) is None:
            return None
        return Evidence(
            f"{change.value:.0%} of the completions are truncated, about as many as at the start.",
            name,
            change.value,
            None,
            self._FROM_START_SHARE,
        )
