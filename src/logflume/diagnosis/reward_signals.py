"""Problems of a reward that doesn't rise, or that no longer distinguishes completions."""

from __future__ import annotations

import math

from logflume.diagnosis.detector import Detector, has_gained
from logflume.diagnosis.error_rate import BLOCK_REPORTS, CORRELATION_FACTOR
from logflume.diagnosis.finding import Evidence
from logflume.diagnosis.history import History
from logflume.diagnosis.scale import CORRECTNESS, find_correctness, position
from logflume.diagnosis.series import Series

__all__ = [
    "RewardPlateau",
    "VarianceCollapse",
]


class RewardPlateau(Detector):
    """The reward is flat, although there is much left to gain.

    The reward is flat over `reports` reports; over fewer if each of them has the means of several
    steps, down to 60 reports that cover twice as many steps. If the reward has never risen since
    the start, flat means that the difference between the first half and the second, including two
    standard errors of independent reports, is below 5 % of the reward. If it has risen, it must be
    flat for longer than it rose, 60 % of the training, with a difference below 2 %, and below 58 %
    of its maximum, as estimated by `position`. A reward that rises and falls, as with a curriculum,
    is not flat. A reward that doesn't change at all is flat after 50 reports.

    At the end of the training, there is no later gain to wait for: the learning rate has decayed to
    a tenth, 90 % of the steps are made, or the run is finished. Then the thirds of 80 reports or
    more are compared. The reward is flat if the second and the third one differ from the first one
    by less than 20 % of the spread of rewards within groups that have any, including two standard
    errors of means of blocks; if the gain itself is below 1.5 standard errors; and if the reward is
    below 85 % of its maximum.

    Args:
        reports: Length of the plateau; at least 60.
    """

    signal = "reward_plateau"
    severity = "info"
    reads = ("reward",)
    returns = False
    judges_end = True
    meaning = "The reward has been flat for a long time, far below what is possible."
    cause = (
        "Too little signal: a small learning rate, few groups whose rewards differ, a noisy reward."
    )
    try_next = (
        "Raise `learning_rate` or `num_generations`; filter problems that are too easy or hard."
    )

    _MIN_REPORTS = 60
    _MAX_GAIN = 0.05
    _MAX_LATE_GAIN = 0.02
    _LATE_SHARE = 0.6
    _MAX_RANGE = 7.0  # in standard deviations of the noise
    _SOLVED = 0.5
    _ALL_SOLVED = 0.95
    _LOW = 0.58
    _CONSTANT_REPORTS = 50
    _SHARE_OF_SPREAD = 0.2
    _MIN_BLOCKS = 8
    _ERRORS_OF_GAIN = 1.5
    _ROOM = 0.85

    reports: int = 150

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the second half of the window with the first one."""
        rewards = history["reward"]
        metric = find_correctness(history, CORRECTNESS) or "reward"
        if rewards.constant >= self._CONSTANT_REPORTS:
            place = position(history, metric)
            if place is not None and place > self._ALL_SOLVED:
                return None
            name = history.name("reward")
            return Evidence(
                f"{name} has been {rewards.last:.3g} exactly for {rewards.constant} reports.",
                name,
                rewards.last,
                rewards.last,
            )
        return self._flat(history, rewards, metric) or self._flat_to_the_end(history, metric)

    def _flat(self, history: History, rewards: Series, metric: str) -> Evidence | None:
        reports = max(self._MIN_REPORTS, min(self.reports, 2 * self.reports // history.stride))
        half = reports // (2 * BLOCK_REPORTS)
        if len(rewards.blocks) < 2 * half:
            return None
        start = sum(block.level for block in rewards.blocks[:3]) / 3
        value = rewards.mean(half)
        place = position(history, metric, blocks=half)
        if value - start < self._MAX_GAIN * abs(value) and not self._varies(
            rewards, len(rewards.blocks)
        ):
            if place is not None and place >= self._SOLVED:
                return None
            return self._compare(history, rewards, half, self._MAX_GAIN)
        if place is None or place >= self._LOW:
            return None
        half = max(half, round(self._LATE_SHARE * len(rewards.blocks) / 2))
        return self._compare(history, rewards, half, self._MAX_LATE_GAIN)

    def _compare(
        self, history: History, rewards: Series, half: int, max_gain: float
    ) -> Evidence | None:
        before, value = rewards.mean(half, before=half), rewards.mean(half)
        gain, error = abs(value - before), 2 * rewards.error(half, half) / CORRELATION_FACTOR
        if gain + error >= max_gain * max(abs(before), abs(value)):
            return None
        if self._varies(rewards, 2 * half):
            return None
        return self._found(history, before, value, 2 * half * BLOCK_REPORTS)

    def _flat_to_the_end(self, history: History, metric: str) -> Evidence | None:
        rewards = history["reward"]
        third = len(rewards.blocks) // 3
        is_long = len(rewards.blocks) >= self._MIN_BLOCKS
        if not (history.is_ending and is_long and history["reward_std"].blocks):
            return None
        means = [block.mean for block in rewards.blocks]
        before, middle, value = (
            sum(part) / len(part) for part in (means[:third], means[third:-third], means[-third:])
        )
        error = rewards.noise_of_means * math.sqrt(2 / third)
        gain, largest = value - before, max(abs(value - before), abs(middle - before))
        limit = self._SHARE_OF_SPREAD * _spread_where_any(history, third)
        if gain > self._ERRORS_OF_GAIN * error or not largest + 2 * error < limit:
            return None
        place = position(history, metric)
        if place is not None and place >= self._ROOM:
            return None
        if self._varies(rewards, len(rewards.blocks)):
            return None
        return self._found(history, before, value, 10 * len(rewards.blocks))

    def _varies(self, rewards: Series, blocks: int) -> bool:
        """Whether levels differ by more than noise, as those of a curriculum do."""
        levels = [block.level for block in rewards.blocks[-blocks:]]
        return max(levels) - min(levels) > self._MAX_RANGE * rewards.noise

    def _found(self, history: History, before: float, value: float, reports: int) -> Evidence:
        name = history.name("reward")
        return Evidence(
            f"{name} went from {before:.3g} to {value:.3g} over {reports} reports.",
            name,
            value,
            before,
            before + self._MAX_GAIN * abs(before),
        )


def _spread_where_any(history: History, blocks: int) -> float:
    """Return the mean spread of the rewards within those groups that have a spread."""
    spreads, zeros = (
        history[metric].blocks[-blocks:] for metric in ("reward_std", "frac_reward_zero_std")
    )
    spread = sum(block.mean for block in spreads) / len(spreads)
    share = 1 - sum(block.mean for block in zeros) / len(zeros) if zeros else 1.0
    return spread / share if share > 0 else 0.0


class VarianceCollapse(Detector):
    """The spread of the reward within groups has collapsed without a gain in reward.

    The mean spread of 20 reports, plus two standard errors, is below `share` of the highest block.
    Since the last block with at least half of the highest spread, the reward has gained less than 5
    %. The same applies to the spread of the advantages, where it is reported; that spread doesn't
    depend on the scale of the reward, so a gain doesn't matter.

    Args:
        share: The spread has collapsed if it is below this share of the widest spread so far, 0 to
            1.
    """

    signal = "variance_collapse"
    reads = ("reward_std", "advantage_std")
    triggers = 2
    each_report = True
    meaning = "All completions of a group get nearly the same reward, without a gain in reward."
    cause = "The policy gives one kind of answer, or the reward function no longer distinguishes."
    try_next = "Raise `temperature` or `num_generations`; check the reward function."
    literature = "Yu et al. 2025, DAPO (dynamic sampling), arXiv:2503.14476"
    shows = "has the same text as another completion of its group"

    _GAIN = 0.05
    _SOLVED = 0.9

    share: float = 0.08

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the mean of the last twenty reports with the highest block."""
        for metric in self.reads:
            if (found := self._evaluate(history, metric)) is not None:
                return found
        return None

    def _evaluate(self, history: History, metric: str) -> Evidence | None:
        spreads = history[metric]
        top = spreads.top
        if top is None or spreads.last >= self.share * top.level:
            return None
        value, limit = spreads.recent_mean(20), self.share * top.level
        if not value + 2 * spreads.recent_error(20) < limit:  # NaN: too few reports
            return None
        wide = spreads.crossing(top.level / 2, is_rise=False)
        is_reward = metric == "reward_std"
        if is_reward and has_gained(history["reward"], wide, share=self._GAIN):
            return None
        place = position(history, find_correctness(history, CORRECTNESS) or "reward")
        if place is not None and place > self._SOLVED:
            return None
        name = history.name(metric)
        ending = " without a gain in reward" if is_reward else ""
        return Evidence(
            f"{name} fell from {top.level:.3g} to {value:.3g}{ending}.",
            name,
            value,
            top.level,
            limit,
        )
