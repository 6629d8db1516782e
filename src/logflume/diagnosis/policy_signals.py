"""Problems of the policy: its distance from the reference, its entropy, its updates."""

from __future__ import annotations

import math
from typing import ClassVar

from logflume.diagnosis.detector import Change, Detector, high_from_start, risen, state
from logflume.diagnosis.error_rate import BLOCK_REPORTS
from logflume.diagnosis.finding import Evidence
from logflume.diagnosis.history import History
from logflume.diagnosis.scale import CORRECTNESS, find_correctness
from logflume.diagnosis.series import Series

__all__ = [
    "ClipSaturation",
    "EntropyCollapse",
    "EntropyExplosion",
    "ImportanceRatioOff",
    "KlRunaway",
    "ReferenceIsPolicy",
]

_KEEP_CLOSE = (
    "Raise `beta` (TRL), `actor.kl_loss_coef` (verl) or `init_kl_coef` (OpenRLHF); lower "
    "`learning_rate`."
)


class KlRunaway(Detector):
    """The KL divergence grows faster than a drift at a constant rate.

    A divergence that starts at zero and grows at a constant rate doubles from the middle of a
    training to its end, and one that approaches a plateau grows less. A divergence that is `factor`
    times as high as in the middle is therefore accelerating. It also has to exceed a level: `level`
    nats a token for the divergence from the reference, a fifth of that for the divergence of one
    update, and 40 times as much for a sum over completions. A fifth of the level is enough for the
    divergence from the reference if the reward has lost a seventh since the middle, or since its
    best if that came later, by more than noise; twice the level is needed while the function for
    correctness has not lost as much, because small policies can move far without harm. Where
    rewards are reported, two more cases are found: a divergence of six times the level that has
    grown by 30% in 50 reports; and a divergence from the reference of four times the level, either
    after 50 reports, or in the first 20, because a policy starts at its reference.

    Args:
        factor: The smallest ratio of the current value to that in the middle.
        level: The smallest divergence from the reference, in nats a token.
    """

    signal = "kl_runaway"
    reads = ("kl", "update_kl", "objective/kl")
    triggers = 3
    each_report = True
    meaning = "The KL divergence grows faster and faster, or stays far above what is usual."
    cause = "The policy leaves the reference: the penalty is too weak for this learning rate."
    try_next = _KEEP_CLOSE
    literature = "Gao et al. 2023, arXiv:2210.10760; Schulman 2020, Approximating KL Divergence"
    shows = "highest rewards of the last completions"

    _LEVELS: ClassVar = {
        "kl": 1.0,
        "update_kl": 0.2,
        "objective/kl": 40.0,  # a sum over the tokens of a completion
    }
    _FAR = 6.0
    _GROWTH = 1.3
    _FAR_WITHOUT_GROWTH = 4.0
    _START_BLOCKS = 2
    _LASTING_BLOCKS = 5
    _SHARE_WITH_LOSS = 0.2
    _LOSS = 1 / 7
    _HARMLESS = 2.0

    factor: float = 4.0
    level: float = 0.5

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the median of the last ten reports with the middle of training."""
        for metric in self.reads:
            series, level = history[metric], self._LEVELS[metric] * self.level
            less = self._SHARE_WITH_LOSS * level if metric == "kl" else level
            if not series.last >= less:  # NaN: not reported
                continue
            if series.last < level:
                if not self._has_lost(history["reward"], series):
                    continue
                level = less
            elif metric == "kl" and self._is_harmless(history, series):
                level *= self._HARMLESS
            # Trainers without rewards, such as KTO, report sums over completions under this name.
            has_rewards = "reward" in history
            far = self._FAR * level if has_rewards else math.inf
            if (change := self._grown(series, level, far)) is not None:
                name = history.name(metric)
                return Evidence(
                    f"{name} rose from {change.before:.3g} to {change.value:.3g}, and grows faster "
                    f"and faster.",
                    name,
                    change.value,
                    change.before,
                    level,
                )
            if has_rewards and metric == "kl" and self._is_far_at_start(series):
                return self._found_at_start(history, series)
            if has_rewards and metric == "kl" and self._is_far_for_long(series):
                return self._found_for_long(history, series)
        return None

    def _is_harmless(self, history: History, series: Series) -> bool:
        """Whether as many answers are right as ever."""
        correctness = find_correctness(history, CORRECTNESS)
        return correctness is not None and not self._has_lost(history[correctness], series)

    def _has_lost(self, rewards: Series, series: Series) -> bool:
        """Whether the reward has fallen since the middle, or since its best if that came later."""
        if rewards.top is None or not series.blocks:
            return False
        middle = series.blocks[len(series.blocks) // 2].end
        best, now = rewards.mean_at(max(middle, rewards.top.end)), rewards.mean(3)
        # The best is the highest of many blocks, so its noise is not that of an average one.
        return best - now > max(self._LOSS * abs(best), 2 * rewards.error(3, 3))

    def _is_far_for_long(self, series: Series) -> bool:
        last = [block.level for block in series.blocks[-self._LASTING_BLOCKS :]]
        return (
            len(last) == self._LASTING_BLOCKS and min(last) >= self._FAR_WITHOUT_GROWTH * self.level
        )

    def _found_for_long(self, history: History, series: Series) -> Evidence:
        name, value = history.name("kl"), series.level(BLOCK_REPORTS)
        before, limit = series.blocks[0].level, self._FAR_WITHOUT_GROWTH * self.level
        reports = BLOCK_REPORTS * self._LASTING_BLOCKS
        return Evidence(
            f"{name} has exceeded {limit:.3g} for {reports} reports: it is {value:.3g}, after "
            f"{before:.3g} at first.",
            name,
            value,
            before,
            limit,
        )

    def _is_far_at_start(self, series: Series) -> bool:
        first = [block.level for block in series.blocks[: self._START_BLOCKS]]
        limit = self._FAR_WITHOUT_GROWTH * self.level
        # A policy that leaves its reference within a few steps is close to it in the first one.
        return (
            len(first) == self._START_BLOCKS and min(first) >= limit and series.lowest >= limit / 2
        )

    def _found_at_start(self, history: History, series: Series) -> Evidence:
        name, first = history.name("kl"), series.blocks[0].level
        return Evidence(
            f"{name} was {first:.3g} in the first reports already, where a policy is still its "
            f"reference: the reference may be another model.",
            name,
            series.level(10),
            0.0,
            self._FAR_WITHOUT_GROWTH * self.level,
        )

    def _grown(self, series: Series, level: float, far: float) -> Change | None:
        blocks = series.blocks
        value = series.level(10)
        if len(blocks) < 2 or not value >= level:
            return None
        # The block at half the distance of the last ten reports from the start, and its neighbours.
        index = round((len(blocks) - 1) / 2 - 0.25)
        near = blocks[max(0, index - 1) : min(index + 2, len(blocks) - 1)]
        middle = sum(block.level for block in near) / len(near)
        if value >= self.factor * middle and series.is_significant(value - middle, 1, 3):
            return Change(middle, value)
        before = series.mean_at(blocks[-1].end - 50)
        is_far = value >= far and value >= self._GROWTH * before
        return Change(before, value) if is_far else None


class ReferenceIsPolicy(Detector):
    """The divergence from the reference is exactly zero, although the policy is trained.

    It is zero in `reports` successive reports, while the medians of the norm of the gradient and of
    the learning rate are not. Some trainers report a zero where they don't penalize the divergence,
    so a hyperparameter (`beta` of TRL, `init_kl_coef` of OpenRLHF, `kl_loss_coef` or `kl_coef` of
    verl) has to be above zero. If no metric has more than four decimals, as in the log of a
    console, a zero may be a small divergence, and is no evidence.

    Args:
        reports: Number of reports in a row.
    """

    signal = "reference_is_policy"
    reads = ("kl",)
    each_report = True
    meaning = "The KL divergence from the reference is exactly zero: the penalty has no effect."
    cause = "The reference shares the weights of the policy, or updates don't change the weights."
    try_next = (
        "Load the reference as a model of its own, or check that adapters are disabled for it; "
        "check `sync_ref_model`; train `bf16` models with `fp32` weights."
    )

    reports: int = 30

    def evaluate(self, history: History) -> Evidence | None:
        """Count the reports with a divergence of zero."""
        series = history["kl"]
        if series.last != 0.0 or series.constant < self.reports or not history.has_penalty:
            return None
        # Trainers without rewards, such as KTO, report a divergence that is cut off at zero.
        if "reward" not in history or history.is_rounded:
            return None
        trained = (history["grad_norm"], history["learning_rate"])
        if not all(metric.level(self.reports) > 0 for metric in trained):  # False for NaN
            return None
        name = history.name("kl")
        return Evidence(
            f"{name} has been exactly zero for {series.constant} reports, although the policy is "
            f"trained.",
            name,
            0.0,
        )


class EntropyCollapse(Detector):
    """The entropy has fallen to a small share of its highest level.

    A slow collapse: the median of ten reports is below `share` of the highest block, and below
    `level`. A fast collapse: the median is at most a quarter of what it was 50 reports before, and
    at least 0.2 nats lower. It is also a quarter lower than ever before these 50 reports, because a
    return from a spike is no collapse.

    Args:
        share: Share of the highest level.
        level: Highest entropy of a collapsed policy, in nats.
    """

    signal = "entropy_collapse"
    reads = ("entropy",)
    each_report = True
    meaning = "The policy has become nearly deterministic and no longer explores."
    cause = (
        "Updates that sharpen the policy and never flatten it: no entropy bonus, tight clipping."
    )
    try_next = (
        "Raise `epsilon_high` (TRL) or `clip_ratio_high` (verl), `temperature`, or the entropy "
        "bonus `entropy_coeff`; lower `learning_rate`."
    )
    literature = "Cui et al. 2025, arXiv:2505.22617; Yu et al. 2025, DAPO, arXiv:2503.14476"
    shows = "has the same text as another completion of its group"

    _FAST_SHARE = 0.25
    _FAST_FALL = 0.2
    _FAST_BLOCKS = 5
    _LOWER = 0.75

    share: float = 0.12
    level: float = 0.15
    _limits: list[tuple[float, float, int]] = state(list)
    _limits_at: int = state(0)

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the median of the last ten reports with the highest block and the last ones."""
        series = history["entropy"]
        if len(series.blocks) != self._limits_at:
            self._limits_at = len(series.blocks)
            self._limits = self._find_limits(series)
        for before, limit, blocks in self._limits:
            if series.last > limit:
                continue
            value = series.level(10)
            if value <= limit and series.is_significant(before - value, 1, blocks):
                return self._found(history, before, value, limit)
        return None

    def _find_limits(self, series: Series) -> list[tuple[float, float, int]]:
        """Return the levels before, the limits, and the number of blocks of these levels."""
        top = series.top
        if top is None or top.level <= 0 or len(series.blocks) < 3:
            return []
        slow = top.level, min(self.share * top.level, self.level), 1
        before = series.mean_at(series.blocks[-1].end - 10 * self._FAST_BLOCKS)
        earlier = series.blocks[: -self._FAST_BLOCKS]
        if not earlier or before != before:  # NaN: too few reports
            return [slow]
        lowest = min(block.level for block in earlier)
        fast_limit = min(self._FAST_SHARE * before, before - self._FAST_FALL, self._LOWER * lowest)
        return [slow, (before, fast_limit, 3)]

    def _found(self, history: History, before: float, value: float, limit: float) -> Evidence:
        name = history.name("entropy")
        return Evidence(
            f"{name} fell from {before:.3g} to {value:.3g} nats.", name, value, before, limit
        )


class EntropyExplosion(Detector):
    """The entropy has risen to several times its lowest level, and by at least `rise`.

    Args:
        factor: The smallest ratio to the lowest block.
        rise: The smallest rise, in nats.
    """

    signal = "entropy_explosion"
    reads = ("entropy",)
    each_report = True
    meaning = "The policy has become nearly random."
    cause = "An entropy bonus that outweighs the reward, or training on noise."
    try_next = (
        "Lower `entropy_coeff` (verl), `entropy_coef` (TRL), `learning_rate` or `epsilon_high`; "
        "check the advantages."
    )
    literature = "Cui et al. 2025, arXiv:2505.22617"
    shows = "longest of the last completions"

    factor: float = 3.0
    rise: float = 1.0

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the median of the last ten reports with the lowest block."""
        series = history["entropy"]
        if series.bottom is None:
            return None
        limit = max(self.factor * series.bottom.level, self.rise)
        change = risen(series, level=limit, rise=self.rise, reports=10)
        if change is None:
            return None
        name = history.name("entropy")
        return Evidence(
            f"{name} rose from {change.before:.3g} to {change.value:.3g} nats.",
            name,
            change.value,
            change.before,
            limit,
        )


class ClipSaturation(Detector):
    """A large share of the tokens is clipped: the median of twenty reports.

    The share of clipped tokens is at least `share`, and has risen by half of that from its lowest
    block; half of `share` is enough if it is ten times the lowest block. Or it has been 0.1 higher
    than `share` from the start, for 60 steps and at least 20 reports. At the end of training,
    20 reports are enough.

    Args:
        share: Share of clipped tokens, 0 to 1.
    """

    signal = "clip_saturation"
    reads = ("clip_ratio/region_mean",)
    each_report = True
    judges_end = True
    meaning = "Most updates are cut off by the clipping of the importance ratio."
    cause = (
        "The policy moves too far on one batch: a high learning rate, or many updates per batch."
    )
    try_next = "Lower `learning_rate`, `num_iterations` (TRL) or `ppo_epochs` (verl)."
    literature = "Schulman et al. 2017, PPO, arXiv:1707.06347"

    _FROM_START = 0.1
    _TIMES = 10.0

    share: float = 0.3

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the median of the last twenty reports with the share, and the lowest block."""
        series = history[self.reads[0]]
        half = self.share / 2
        if series.last < half:
            return None
        change = risen(series, level=self.share, rise=half, reports=20)
        if change is None and series.bottom is not None:
            lowest = series.bottom.level
            rise = (self._TIMES - 1) * lowest
            change = risen(series, level=half, rise=max(rise, half - lowest), reports=20)
        change = change or high_from_start(history, self.reads[0], self.share + self._FROM_START)
        if change is None:
            return None
        name = history.name(self.reads[0])
        return Evidence(
            f"{name} went from {change.before:.1%} to {change.value:.1%} of the tokens.",
            name,
            change.value,
            change.before,
            self.share,
        )


class ImportanceRatioOff(Detector):
    """The mean importance ratio is far from 1, or the probabilities differ more and more.

    The ratio is the median of ten reports. A ratio of whole sequences also shrinks because
    completions become longer. If the mean difference of the log probabilities of tokens is
    reported, this difference therefore has to be twice that of its lowest block, or at least
    half of `difference`.

    What is measured for each token must not grow, as long as sampler and trainer have the same
    weights: the median of ten reports must be four times the lowest block, and at least as high as
    `difference` for log probabilities (TRL, and the excess over 1 of NeMo-RL's multiplicative
    error, which has to stay below that in most of NeMo-RL's own tests), at least 0.3 times
    that for probabilities (verl: 0.03, where about 0.004 is usual, and 0.012 if the sampler
    computes with 8 bits), and at least half of it for the KL divergence (0.05 nats, where 0.001 is
    usual, and 0.005 with 8 bits).

    Args:
        factor: The smallest factor by which the ratio is above or below 1.
        difference: The smallest mean difference of log probabilities, in nats.
    """

    signal = "importance_ratio_off"
    reads = (
        "sampling/importance_sampling_ratio/mean",
        "sampling/sampling_logp_difference/mean",
        "token_mult_prob_error",
        "training/rollout_probs_diff_mean",
        "mismatch_kl",
    )
    triggers = 5
    each_report = True
    meaning = "The sampler and the trainer disagree on the probabilities of tokens."
    cause = (
        "Stale weights in the sampler, another precision or kernel, or mismatched chat templates."
    )
    try_next = (
        "Compare the log probabilities of one batch; enable `vllm_importance_sampling_correction` "
        "(TRL), `rollout_is` (verl) or `use_importance_sampling_correction` (NeMo-RL); synchronize "
        "the weights more often."
    )
    literature = "Yao et al. 2025, Your Efficient RL Framework Secretly Brings You Off-Policy RL"

    _DIFFERENCE_FACTOR = 2.0
    _SHARE_OF_DIFFERENCE = 0.5
    _TIMES = 4.0
    _MEASURES: ClassVar = {
        # The level as a multiple of `difference`, the value without any difference, and the unit.
        "sampling/sampling_logp_difference/mean": (1.0, 0.0, " nats"),
        "token_mult_prob_error": (1.0, 1.0, ""),
        "training/rollout_probs_diff_mean": (0.3, 0.0, ""),
        "mismatch_kl": (0.5, 0.0, " nats"),
    }

    factor: float = 1.3
    difference: float = 0.1

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the medians of the last ten reports with 1, and with the lowest block."""
        ratios = history[self.reads[0]]
        last = ratios.last
        if last > 0 and not 1 / self.factor < last < self.factor and len(ratios.blocks) >= 2:
            value = ratios.level(10)
            distance = abs(math.log(value)) if value > 0 else math.inf
            if distance >= math.log(self.factor) and self._tokens_differ(history[self.reads[1]]):
                name = history.name(self.reads[0])
                return Evidence(
                    f"{name} is {value:.3g}, where 1 is expected.", name, value, 1.0, self.factor
                )
        for metric, (share, origin, unit) in self._MEASURES.items():
            level = share * self.difference
            if history[metric].last >= origin + level:  # False for NaN: not reported
                found = self._grown(history, metric, level, origin, unit)
                if found is not None:
                    return found
        return None

    def _grown(
        self, history: History, metric: str, level: float, origin: float, unit: str
    ) -> Evidence | None:
        change = risen(history[metric], level=origin + level, rise=level / 2, reports=10)
        if change is None or change.value - origin < self._TIMES * (change.before - origin):
            return None
        name = history.name(metric)
        return Evidence(
            f"{name} rose from {change.before:.3g} to {change.value:.3g}{unit}.",
            name,
            change.value,
            change.before,
            origin + level,
        )

    def _tokens_differ(self, differences: Series) -> bool:
        """Whether the probabilities of tokens differ more than usual; or it is not reported."""
        if differences.bottom is None:
            return True
        usual = self._DIFFERENCE_FACTOR * differences.bottom.level
        limit = min(usual, self._SHARE_OF_DIFFERENCE * self.difference)
        return differences.level(BLOCK_REPORTS) >= limit
