"""Problems of the reward: it doesn't rise, or rises for the wrong reasons."""

from __future__ import annotations

import math
from typing import NamedTuple

from logflume.diagnosis.detector import Detector, has_gained
from logflume.diagnosis.error_rate import BLOCK_REPORTS, CORRELATION_FACTOR
from logflume.diagnosis.finding import Evidence
from logflume.diagnosis.history import History
from logflume.diagnosis.scale import CORRECTNESS, find_correctness, position
from logflume.diagnosis.series import Series

__all__ = [
    "RewardPlateau",
    "RewardWithTruncation",
    "RewardWithoutCorrectness",
    "VarianceCollapse",
]

_READ_COMPLETIONS = "Read the named completions, and change the reward function that they exploit"


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


class RewardWithTruncation(Detector):
    """The reward rises while more completions are truncated at the length limit.

    The mean of three reports is compared with the block that had the least truncation. The total
    reward has to rise, or the reward of one function while the total doesn't fall. This is typical
    of a policy that is rewarded for repeating itself.

    Args:
        rise: Minimum rise of the share of truncated completions, 0 to 1.
        level: Minimum share of truncated completions, 0 to 1.
    """

    signal = "reward_with_truncation"
    reads = ("completions/clipped_ratio",)
    each_report = True
    meaning = "The reward rises while more and more completions are truncated: a reward hack."
    cause = "A reward function pays for repetition or length, whether or not an answer is given."
    try_next = (
        f"{_READ_COMPLETIONS}; set `mask_truncated_completions` (TRL) or an overlong penalty."
    )
    literature = "Skalse et al. 2022, arXiv:2209.13085; Yu et al. 2025, DAPO, arXiv:2503.14476"
    shows = "truncated at the length limit"

    _REPORTS = 3
    _GAIN = 0.05

    rise: float = 0.3
    level: float = 0.5

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the last three reports with the block that had the least truncation."""
        truncated, rewards = history[self.reads[0]], history["reward"]
        if truncated.last < self.level or truncated.bottom is None or not rewards.blocks:
            return None
        share = sum(truncated.recent(self._REPORTS)) / self._REPORTS
        before = truncated.bottom
        if share < self.level - self.rise / 3 or share - before.level < self.rise:
            return None
        if not truncated.is_significant(share - before.level, self._REPORTS / BLOCK_REPORTS):
            return None
        report = truncated.crossing((before.level + share) / 2, is_rise=True)
        correctness = find_correctness(history, CORRECTNESS)
        names = {function: f"rewards/{function}/mean" for function in history.functions}
        rises = {
            name: _Rise.of(history[metric], report)
            for name, metric in names.items()
            if metric != correctness
        }
        total = _Rise.of(rewards, report)
        paid = [name for name, rise in rises.items() if rise.is_clear(self._GAIN)]
        if not (total.is_clear(self._GAIN) or (paid and total.gain > -total.error)):
            return None
        function = max(paid, key=lambda name: rises[name].gain / rises[name].error, default=None)
        name, rise = (function, rises[function]) if function else ("The reward", total)
        return Evidence(
            f"{name} rose from {rise.before:.3g} to {rise.value:.3g} while truncated completions "
            f"rose from {before.level:.0%} to {share:.0%}: the policy may be gaming "
            f"{function or 'a reward function'}.",
            history.name(self.reads[0]),
            share,
            before.level,
            before.level + self.rise,
            fields={"reward_before": total.before, "reward": total.value, "function": function},
        )


class _Rise(NamedTuple):
    """How the mean of three reports differs from an earlier level."""

    before: float
    value: float
    error: float

    @classmethod
    def of(cls, series: Series, report: int) -> _Rise:
        recent = series.recent(3)
        value = sum(recent) / len(recent) if recent else math.nan
        error = series.error(3 / BLOCK_REPORTS, 1) if series.noise else math.inf
        return cls(series.mean_at(report), value, error)

    @property
    def gain(self) -> float:
        return self.value - self.before

    def is_clear(self, share: float) -> bool:
        """Whether the gain exceeds a share of the level, and twice the standard error.

        That is enough, because the truncation alone exceeds the strict limit.
        """
        return self.gain > max(share * max(abs(self.before), abs(self.value)), 2 * self.error)


class RewardWithoutCorrectness(Detector):
    """The reward rises, but the share of correct answers doesn't.

    The last three blocks are compared with three blocks 30, 50, 100, 200 and 400 reports before.
    The reward has to rise by a fifth, and by more than noise.

    - Correctness falls by a seventh, and by more than noise: found immediately. Then the reward may
      also be far from zero, and rise by half of its spread within groups.
    - Fewer answers of completions are right (`quality/correct`), whatever the reward functions say:
      a third less, by three standard errors of independent batches, both of all completions and of
      those with an answer.
    - Correctness is flat: its gain, including one standard error of independent reports, is less
      than a tenth of the reward's gain, over 60 steps and at least 30 reports. The reward has to
      keep its gain for 50 steps and at least 30 reports, and correctness must have room to rise: it
      is below 85 % of its maximum. A rise that begins in the first 80 steps is normal for 300
      steps, because the format is learned first, unless correctness had risen before. Up to 400
      steps, the limit is a twentieth instead of a tenth.

    Args:
        correctness: Texts that identify the function for correctness: the first function whose name
            contains one of them, in upper or lower case. Without such a function, a metric such as
            `accuracy` is used.
    """

    signal = "reward_without_correctness"
    reads = ("reward",)
    returns = False
    meaning = (
        "The reward rises while correctness is flat or falls: the policy learns something else."
    )
    cause = "A function other than correctness, such as format or style, is easier to raise."
    try_next = (
        f"{_READ_COMPLETIONS}; lower its weight in `reward_weights`, or grant it only to correct "
        "answers."
    )
    literature = "Gao et al. 2023, arXiv:2210.10760; Pan et al. 2022, arXiv:2201.03544"
    shows = "highest rewards of the last completions"

    _LAGS = (3, 5, 10, 20, 40)
    _FLAT_LAG = 6
    _KEPT_BLOCKS = 5
    _MIN_BLOCKS = 3
    _GAIN = 0.2
    _FALL = 1 / 7
    _SHARE_OF_SPREAD = 0.5
    _MEASURED_FALL = 1 / 3
    _ERRORS = 3.0
    _MEASURES = ("rollouts/correct", "rollouts/correct_answers")
    _FLAT = 0.1
    _ROOM = 0.85
    _FIRST_BLOCKS = 8
    _FORMAT_BLOCKS = 30
    _EARLY_BLOCKS = 40
    _EARLY_FLAT = 0.05

    correctness: str | tuple[str, ...] = CORRECTNESS

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the last three blocks with earlier ones."""
        metric = find_correctness(history, self.correctness)
        for lag in self._LAGS:
            if len(history["reward"].blocks) < lag + 3:
                return None
            if (found := self._compare(history, metric, lag)) is not None:
                return found
        return None

    def _compare(self, history: History, metric: str | None, lag: int) -> Evidence | None:
        rewards = history["reward"]
        report = rewards.blocks[-1 - lag].end
        before, value = rewards.mean(3, before=lag), rewards.mean(3)
        gain, level = value - before, max(abs(before), abs(value))
        spread = history["reward_std"].mean(3)
        is_large = gain >= self._GAIN * level
        if not (is_large or gain >= self._SHARE_OF_SPREAD * spread):  # False for NaN
            return None
        if not rewards.is_significant(gain, 3, 3, conditions=2):
            return None
        if metric is not None:
            has_fallen = self._has_fallen(history[metric], report)
            if has_fallen or (is_large and self._is_flat(history, metric, gain, lag)):
                return self._found(history, metric, lag)
        if all(self._is_less_often_right(history[one], report) for one in self._MEASURES):
            return self._found(history, self._MEASURES[0], lag)
        return None

    def _has_fallen(self, correct: Series, report: int) -> bool:
        before = correct.mean_at(report)
        loss = before - correct.mean(3)
        is_clear = loss > self._FALL * abs(before)  # False for NaN
        return is_clear and correct.is_significant(loss, 3, 3, conditions=2)

    def _is_less_often_right(self, correct: Series, report: int) -> bool:
        # Completions are logged now and then: a block may cover many reports, and has to be enough.
        before = correct.mean_at(report)
        loss = before - correct.mean(1)
        error = correct.error(1, 1) / CORRELATION_FACTOR
        return loss > self._MEASURED_FALL * before and loss > self._ERRORS * error

    def _found(self, history: History, metric: str, lag: int) -> Evidence:
        rewards, correct = history["reward"], history[metric]
        report = rewards.blocks[-1 - lag].end
        reward_before, reward = rewards.mean(3, before=lag), rewards.mean(3)
        is_measured = metric in self._MEASURES
        before, value = correct.mean_at(report), correct.mean(1 if is_measured else 3)
        name = "quality/correct" if is_measured else history.name(metric)
        function = _fastest(history, report, other_than=metric)
        return Evidence(
            f"Over {10 * lag} reports the reward rose from {reward_before:.3g} to {reward:.3g} "
            f"while {name} went from {before:.3g} to {value:.3g}"
            f"{f': the policy learns {function} instead' if function else ''}.",
            name,
            value,
            before,
            fields={"reward_before": reward_before, "reward": reward, "function": function},
        )

    def _is_flat(self, history: History, metric: str, gain: float, lag: int) -> bool:
        rewards, correct = history["reward"], history[metric]
        if len(correct.blocks) < 3:
            return False
        change = correct.mean(3) - correct.mean_at(rewards.blocks[-1 - lag].end)
        stride = history.stride
        if lag < max(self._MIN_BLOCKS, self._FLAT_LAG / stride):
            return False
        # The first block that is compared counts, however many steps it has.
        is_first_rise = len(rewards.blocks) - lag < max(4, self._FIRST_BLOCKS / stride)
        is_format = is_first_rise and not _has_risen(correct, before=lag)
        if is_format and len(rewards.blocks) * stride < self._FORMAT_BLOCKS:
            return False
        is_early = len(rewards.blocks) * stride < self._EARLY_BLOCKS
        limit = (self._EARLY_FLAT if is_early else self._FLAT) * gain
        if change + correct.error(3, 3) / CORRELATION_FACTOR >= limit:
            return False
        blocks = max(self._MIN_BLOCKS, round(self._KEPT_BLOCKS / stride))
        kept = min(block.level for block in rewards.blocks[-blocks:])
        if kept < rewards.mean(3, before=lag) + gain / 2:
            return False
        place = position(history, metric)
        return place is None or place < self._ROOM


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


def _has_risen(series: Series, before: int = 0) -> bool:
    """Whether a level was higher than that of the first block, some blocks ago, but for noise."""
    now = min(3, len(series.blocks) - before)
    if now < 1:
        return False
    gain = series.mean(now, before=before) - series.blocks[0].level
    return series.is_significant(gain, now, 1)


def _fastest(history: History, report: int, other_than: str | None = None) -> str | None:
    """Return the reward function that has risen most since a report; None if none has."""
    rises = {}
    for function in history.functions:
        metric = f"rewards/{function}/mean"
        series = history[metric]
        if metric != other_than and series.count:
            recent = series.recent(3)
            rises[function] = sum(recent) / len(recent) - series.mean_at(report)
    fastest = max(rises, key=lambda name: rises[name], default=None)
    return fastest if fastest is not None and rises[fastest] > 0 else None
