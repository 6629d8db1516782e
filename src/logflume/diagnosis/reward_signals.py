"""Problems of a reward that doesn't rise, or that no longer distinguishes completions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import stdev

from logflume.diagnosis.detector import Detector, has_gained
from logflume.diagnosis.error_rate import BLOCK_REPORTS, CORRELATION_FACTOR
from logflume.diagnosis.finding import Evidence
from logflume.diagnosis.history import History
from logflume.diagnosis.jump import reports_since_fall
from logflume.diagnosis.scale import CORRECTNESS, find_correctness, position
from logflume.diagnosis.series import Block, Series

__all__ = [
    "RewardPlateau",
    "VarianceCollapse",
]

_EVALUATIONS = 50
_EVALUATIONS_OF_PLACE = 3
_MIN_THIRD = 2


class RewardPlateau(Detector):
    """The reward is flat, although there is much left to gain.

    The reward is flat over `reports` reports; over fewer if each of them has the means of several
    steps, down to 60 reports that cover twice as many steps. If the reward has never risen since
    the start, flat means that the difference between the first half and the second, including two
    standard errors of independent reports, is below 5% of the reward. If it has risen, it must be
    flat for longer than it rose, 60% of training, with a difference below 2%, and below 58%
    of its maximum, as estimated from its spread, or of that of evaluations. A reward that rises and
    falls, as with a curriculum, is not flat; nor is one whose gain exceeds 1.5 standard errors of
    means of blocks, or whose evaluations rose, by two standard errors from the first third of them
    to the last. A reward that doesn't change at all is flat after 50 reports.

    At the end of training, there is no later gain to wait for: the learning rate has decayed to
    a tenth, 90% of the steps are made, or the run is finished. Then the thirds of 80 reports or
    more are compared. The reward is flat if the second and the third one differ from the first one
    by less than 20% of the spread of rewards within groups that have any, including two standard
    errors of means of blocks; and if the reward is below 85% of its maximum. A difference below 10
    % is flat even if it is a clear gain. Where no spread is reported, that of a share of solved
    problems is known, if the reward is one, and half of the reward is taken otherwise.

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
    _TINY_SHARE_OF_SPREAD = 0.1
    _MIN_BLOCKS = 8
    _ERRORS_OF_GAIN = 1.5
    _ROOM = 0.85
    _EVALUATED = ("eval/reward", "eval/accuracy")

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
        place = _place(history, metric, half)
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
        if self._varies(rewards, 2 * half) or self._is_learning(history, 2 * half, half):
            return None
        return self._found(history, before, value, 2 * half * BLOCK_REPORTS)

    def _flat_to_the_end(self, history: History, metric: str) -> Evidence | None:
        rewards = history["reward"]
        third = len(rewards.blocks) // 3
        if not history.is_ending or len(rewards.blocks) < self._MIN_BLOCKS:
            return None
        means = [block.mean for block in rewards.blocks]
        before, middle, value = (
            sum(part) / len(part) for part in (means[:third], means[third:-third], means[-third:])
        )
        error = rewards.noise_of_means * math.sqrt(2 / third)
        largest = max(abs(value - before), abs(middle - before)) + 2 * error
        spread = _spread_where_any(history, third)
        if not largest < self._SHARE_OF_SPREAD * spread:
            return None
        place = _place(history, metric)
        if place is not None and place >= self._ROOM:
            return None
        blocks = len(rewards.blocks)
        is_tiny = largest < self._TINY_SHARE_OF_SPREAD * spread
        if self._varies(rewards, blocks) or self._is_learning(
            history, blocks, third, is_tiny=is_tiny
        ):
            return None
        return self._found(history, before, value, 10 * len(rewards.blocks))

    def _varies(self, rewards: Series, blocks: int) -> bool:
        """Whether levels differ by more than noise, as those of a curriculum do."""
        levels = [block.level for block in rewards.blocks[-blocks:]]
        return max(levels) - min(levels) > self._MAX_RANGE * rewards.noise

    def _is_learning(
        self, history: History, blocks: int, width: int, *, is_tiny: bool = False
    ) -> bool:
        """Whether the reward of the last blocks has a small, but clear gain, or evaluations rose.

        Args:
            history: The metrics.
            blocks: Number of blocks to look at.
            width: Number of those at the beginning and at the end that are compared.
            is_tiny: Whether the gain is too small to count.
        """
        rewards = history["reward"]
        means = [block.mean for block in rewards.blocks[-blocks:]]
        error = rewards.noise_of_means * math.sqrt(2 / width)
        gain = (sum(means[-width:]) - sum(means[:width])) / width
        share = blocks / len(rewards.blocks)
        evaluations = (
            history[metric].recent(min(_EVALUATIONS, round(share * history[metric].count)))
            for metric in self._EVALUATED
        )
        is_clear = gain > self._ERRORS_OF_GAIN * error and not is_tiny
        return is_clear or any(map(_rises, evaluations))

    def _found(self, history: History, before: float, value: float, reports: int) -> Evidence:
        name = history.name("reward")
        return Evidence(
            f"{name} went from {before:.3g} to {value:.3g} over {reports} reports.",
            name,
            value,
            before,
            before + self._MAX_GAIN * abs(before),
        )


def _place(history: History, metric: str, blocks: int = 5) -> float | None:
    """Return where the reward lies between 0 and its maximum; if unknown, where evaluations do."""
    place = position(history, metric, blocks)
    shares = history["eval/reward"] if "eval/reward" in history else history["eval/accuracy"]
    if place is None and shares.count and min(shares.tail) >= 0 and max(shares.tail) <= 1:
        recent = shares.recent(_EVALUATIONS_OF_PLACE)
        return sum(recent) / len(recent)
    return place


def _rises(evaluations: Sequence[float]) -> bool:
    """Whether the last third of some evaluations is better than the first one, but for noise."""
    third = len(evaluations) // 3
    if third < _MIN_THIRD:
        return False
    gain = (sum(evaluations[-third:]) - sum(evaluations[:third])) / third
    # The changes from one evaluation to the next have twice the variance of an evaluation.
    noise = stdev(b - a for a, b in pairwise(evaluations)) / math.sqrt(2)
    return gain > 2 * noise * math.sqrt(2 / third)


def _spread_where_any(history: History, blocks: int) -> float:
    """Return the mean spread of the rewards within those groups that have a spread.

    If it isn't reported, it is estimated from the level of the reward.
    """
    rewards, spreads, zeros = (
        history[metric] for metric in ("reward", "reward_std", "frac_reward_zero_std")
    )
    if not spreads.blocks:
        level = rewards.mean(blocks)
        is_share = rewards.lowest >= 0 and rewards.highest <= 1
        return math.sqrt(level * (1 - level)) if is_share else abs(level) / 2
    spread = _mean(spreads.blocks[-blocks:])
    share = 1 - _mean(zeros.blocks[-blocks:]) if zeros.blocks else 1.0
    return spread / share if share > 0 else 0.0


def _mean(blocks: Sequence[Block]) -> float:
    return sum(block.mean for block in blocks) / len(blocks)


class VarianceCollapse(Detector):
    """The spread of the reward within groups has collapsed without a gain in reward.

    The mean spread of 20 reports, plus two standard errors, is below `share` of the highest block.
    Since the last block with at least half of the highest spread, the reward has gained less than
    5%, and is below 90% of its maximum. A gain doesn't rule it out if the spread has collapsed from
    one step to the next: each of the last reports has at most a third of that of each of ten
    before. The same applies to the spread of the advantages, where it is reported; that spread
    doesn't depend on the scale of the reward, so a gain doesn't matter.

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
    _DROP = 3.0
    _CAUSE_OF_DROP = (
        "Since that step, another reward function, judge, sampling or set of problems: no policy "
        "learns that in one step."
    )

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
        reports = reports_since_fall(history, metric, self._DROP)
        if not reports:
            if is_reward and has_gained(history["reward"], wide, share=self._GAIN):
                return None
            place = position(history, find_correctness(history, CORRECTNESS) or "reward")
            if place is not None and place > self._SOLVED:
                return None
        name = history.name(metric)
        ending = " without a gain in reward" if is_reward else ""
        if reports:
            reward = history["reward"]
            before, now = reward.mean_at(history.reports - reports), reward.recent_mean(reports)
            ending = (
                f" from one step to the next, while the reward went from {before:.3g} to {now:.3g}"
            )
        return Evidence(
            f"{name} fell from {top.level:.3g} to {value:.3g}{ending}.",
            name,
            value,
            top.level,
            limit,
            cause=self._CAUSE_OF_DROP if reports else None,
        )
