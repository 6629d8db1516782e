"""Problems that evaluations show: what the policy learns doesn't carry over to other problems."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from statistics import stdev

from logflume.diagnosis.detector import Detector, state
from logflume.diagnosis.error_rate import BLOCK_REPORTS, critical_value
from logflume.diagnosis.finding import Evidence
from logflume.diagnosis.history import History
from logflume.diagnosis.rescaling_signals import find_rescaling
from logflume.diagnosis.scale import CORRECTNESS, find_correctness, reward_scale
from logflume.diagnosis.series import Series, median

__all__ = ["EvaluationFalling", "EvaluationGap"]

_MEAN_OF = 3
_ERRORS = 2.0
_MIN_EVALUATIONS = 7
_MIN_SHARE = 0.02
"""The smallest change of a share that an evaluation can show: two of a hundred problems."""


class _Points:
    """The evaluations of one metric, each with the level of training at that time."""

    def __init__(self) -> None:
        self.count = 0
        self.evaluated: list[float] = []
        self.trained: list[float] = []
        self.reports: list[int] = []

    def add(self, evaluations: Series, training: Series, *, min_blocks: int = 0) -> bool:
        """Add the latest evaluation, if there is one; return whether there are enough.

        Args:
            evaluations: The evaluations.
            training: The metric of training that they are compared with.
            min_blocks: Evaluations before this number of blocks of training are left out.
        """
        if evaluations.count == self.count or not training.count:
            return False
        if len(training.blocks) < min_blocks:
            return False
        self.count = evaluations.count
        self.evaluated.append(evaluations.last)
        recent = training.recent(2 * BLOCK_REPORTS)
        self.trained.append(sum(recent) / len(recent))
        self.reports.append(training.blocks[-1].end if training.blocks else 0)
        return len(self.evaluated) >= _MIN_EVALUATIONS


class EvaluationFalling(Detector):
    """The reward of evaluations falls while that of training doesn't, or falls far with it.

    The mean of the last three evaluations is compared with the best three. The difference has to
    exceed `share` of the best (a tenth of the loss, if that is what is evaluated), and 0.02 if it
    is a share of solved problems; and to exceed noise, which is estimated from the differences of
    successive evaluations. If several data sets are evaluated, each one is compared: one task can
    be forgotten while the others are learned.

    If the reward of training falls as well, its problems may have become harder, and those of
    the evaluations with them. Then the last three evaluations must all have lost a third of the
    best, and training must have fallen gradually: less than half of it from two blocks to the
    next two.

    Args:
        share: The fall of the reward, as a share of the best.
    """

    signal = "evaluation_falling"
    reads = ("eval/reward", "eval/accuracy", "eval/loss", "eval/reward/", "eval/accuracy/")
    triggers = 5
    each_report = True
    meaning = (
        "Evaluations become worse while training becomes better: overfitting. Or both become worse."
    )
    cause = "The policy memorizes the problems, or exploits a reward that evaluations don't share."
    try_next = "Stop at the best evaluation; add problems, raise `beta`, lower `num_train_epochs`."
    literature = "Cobbe et al. 2021, arXiv:2110.14168; Gao et al. 2023, arXiv:2210.10760"

    _LOSS_SHARE = 0.1
    _LOST_SHARE = 1 / 3
    _CAUSE_OF_LOSS = "The policy becomes worse: what it had learned is being lost."
    _TRY_AFTER_LOSS = (
        "Resume from the checkpoint with the best evaluation, with a lower `learning_rate` or a "
        "higher `beta`."
    )

    share: float = 0.15
    _points: defaultdict[str, _Points] = state(lambda: defaultdict(_Points))
    _levels: dict[str | None, float] = state(dict)

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the last three evaluations with the best three."""
        found = None
        for metric in self._metrics(history):
            share = self._LOSS_SHARE if metric == "eval/loss" else self.share
            trained = _trained(history, metric, is_same_scale=False)
            if self._points[metric].add(history[metric], history[trained]) and found is None:
                found = self._compare(history, metric, share)
        return found

    def _metrics(self, history: History) -> list[str]:
        """Return what to compare: several data sets replace the first one of them."""
        data_sets = [name for prefix in self.reads[3:] for name in history.metrics(prefix)]
        if len(data_sets) < 2:
            return list(self.reads[:3])
        names = {history.name(metric) for metric in data_sets}
        return [one for one in self.reads[:3] if history.name(one) not in names] + data_sets

    def _compare(self, history: History, metric: str, share: float) -> Evidence | None:
        points = self._points[metric]
        sign = -1.0 if metric == "eval/loss" else 1.0
        evaluated = _means([sign * value for value in points.evaluated])
        best = max(range(len(evaluated) - 1), key=lambda index: evaluated[index])
        before, value = evaluated[best], evaluated[-1]
        trained_before = points.trained[best + _MEAN_OF - 1]
        self._levels[_name_of(history, metric)] = sign * value
        scale = _scale(history, metric, before)
        limit = before - max(share * scale, _smallest_change(history, metric))
        # The more data sets there are, the more of them seem to have little noise.
        is_robust = metric in self.reads
        if value >= limit or not _is_significant(
            points.evaluated, before - value, is_robust=is_robust
        ):
            return None
        falls_with_training = sign * (points.trained[-1] - trained_before) < -0.02 * abs(
            trained_before
        )
        if falls_with_training:
            lost = before - max(sign * one for one in points.evaluated[-_MEAN_OF:])
            training = history[_trained(history, metric, is_same_scale=False)]
            is_gradual = _falls_gradually(training, points.reports[best + _MEAN_OF - 1])
            if metric == "eval/loss" or lost < self._LOST_SHARE * scale or not is_gradual:
                return None
        name = history.name(metric)
        return Evidence(
            f"{name} of evaluations went from {sign * before:.3g} to {sign * value:.3g}, while "
            f"that of training went from {trained_before:.3g} to {points.trained[-1]:.3g}.",
            _name_of(history, metric),
            sign * value,
            sign * before,
            sign * limit,
            cause=self._CAUSE_OF_LOSS if falls_with_training else None,
            try_next=self._TRY_AFTER_LOSS if falls_with_training else None,
        )

    def current_value(self, history: History, evidence: Evidence) -> float:  # noqa: ARG002
        """Return the mean of the last three evaluations."""
        return self._levels.get(evidence.metric, math.nan)


class EvaluationGap(Detector):
    """The reward of training moves away from that of evaluations.

    The gap between the two rewards, as a mean over three evaluations, has grown since the first
    three (from zero, if evaluations were better) by `share` of the training's reward plus two
    standard errors. It has also grown by half of the training's gain, and by more than noise. If an
    accuracy is compared with a reward that is not between 0 and 1, the ratio of their highest means
    brings the reward to the scale of the accuracy. A total reward with a new function is compared
    from then on; one whose scale has changed (see `reward_rescaled`) no longer.

    Args:
        share: Growth of the gap, as a share of the training's reward.
    """

    signal = "evaluation_gap"
    reads = ("eval/reward", "eval/accuracy")
    triggers = 2
    each_report = True
    meaning = "The training's reward rises, but that of evaluations stays behind."
    cause = "The policy memorizes the problems, or exploits a reward that evaluations don't share."
    try_next = "Add problems; raise `beta`; compare the reward functions of both."
    literature = "Gao et al. 2023, arXiv:2210.10760"

    _SHARE_OF_GAIN = 0.5

    share: float = 0.3
    _functions: int = state(0)
    _is_rescaled: bool = state(False)
    _points: defaultdict[str, _Points] = state(lambda: defaultdict(_Points))
    _levels: dict[str | None, float] = state(dict)

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the gap at the last three evaluations with that at the first three."""
        self._note_changes(history)
        found = None
        for metric in self.reads:
            points, trained = self._points[metric], _trained(history, metric)
            # While the reward rises fast, its mean over 20 reports is behind an evaluation.
            if points.add(history[metric], history[trained], min_blocks=3) and found is None:
                found = self._compare(history, metric, points)
        return found

    def _compare(self, history: History, metric: str, points: _Points) -> Evidence | None:
        trained = self._rescaled(history, metric, points)
        gaps = [t - e for t, e in zip(trained, points.evaluated, strict=True)]
        means = _means(gaps)
        before, value = means[0], means[-1]
        self._levels[_name_of(history, metric)] = value
        growth = self.share * _scale(history, metric, trained[-1])
        limit = max(before, 0.0) + max(growth, _smallest_change(history, metric))
        # That the training's reward gains, and the gap with it, is a second condition.
        is_significant = _is_significant(gaps, value - before, conditions=2)
        if value - _ERRORS * _noise(gaps) / math.sqrt(_MEAN_OF) <= limit or not is_significant:
            return None
        gain = trained[-1] - trained[_MEAN_OF - 1]
        if gain <= 0 or value - before < self._SHARE_OF_GAIN * gain:
            return None
        return Evidence(
            f"The training's {history.name(_trained(history, metric))} exceeds that of "
            f"evaluations by {value:.3g}, after {before:.3g} at first.",
            _name_of(history, metric),
            value,
            before,
            limit,
        )

    def _note_changes(self, history: History) -> None:
        """Forget the gaps to a total reward that has become another one."""
        functions, self._functions = self._functions, len(history.functions)
        self._is_rescaled = self._is_rescaled or find_rescaling(history) is not None
        if functions == self._functions and not self._is_rescaled:
            return
        for metric in self.reads:
            if _trained(history, metric) == "reward":
                self._points.pop(metric, None)

    def _rescaled(self, history: History, metric: str, points: _Points) -> list[float]:
        """Return the values of training on the scale of the evaluations."""
        trained = history[_trained(history, metric)]
        if metric == "eval/reward" or (trained.lowest >= 0 and trained.highest <= 1):
            return points.trained
        highest = max(_means(points.trained))
        ratio = max(_means(points.evaluated)) / highest if highest > 0 else 1.0
        return [ratio * value for value in points.trained]

    def current_value(self, history: History, evidence: Evidence) -> float:  # noqa: ARG002
        """Return the mean gap at the last three evaluations."""
        return self._levels.get(evidence.metric, math.nan)


def _scale(history: History, metric: str, value: float) -> float:
    """Return what a change is compared with: a reward may pass through zero."""
    scale = reward_scale(history, value) if metric == "eval/reward" else math.nan
    return scale if scale == scale else abs(value)


def _falls_gradually(series: Series, since: int) -> bool:
    """Whether less than half of a fall since a report is from two blocks to the next two."""
    means = [block.mean for block in series.blocks if block.end >= since]
    levels = [(a + b) / 2 for a, b in pairwise(means)]
    steepest = max((a - b for a, b in zip(levels, levels[2:], strict=False)), default=math.inf)
    return steepest < (levels[0] - levels[-1]) / 2 if levels else False


def _smallest_change(history: History, metric: str) -> float:
    """Return the change that the sampling of problems may explain: none is known for a reward."""
    trained = history[_trained(history, metric)]
    is_share = metric.startswith("eval/accuracy") or (trained.lowest >= 0 and trained.highest <= 1)
    return _MIN_SHARE if is_share and metric != "eval/loss" else 0.0


def _name_of(history: History, metric: str) -> str:
    """Return the name of an evaluation's metric, always with the prefix of one."""
    return f"eval_{history.name(metric).removeprefix('eval_')}"


def _trained(history: History, metric: str, *, is_same_scale: bool = True) -> str:
    """Return the metric of training that an evaluation is compared with.

    The same one. Where the training has no accuracy, a reward function for correctness; or else the
    reward.

    Args:
        history: The metrics.
        metric: That of the evaluation.
        is_same_scale: Whether a reward function for correctness must be one of at most 1.
    """
    trained = metric.removeprefix("eval/")
    if trained in history or trained == "loss":
        return trained
    correctness = find_correctness(history, CORRECTNESS)
    if correctness is not None and (history[correctness].highest <= 1 or not is_same_scale):
        return correctness
    return "reward"


def _means(values: Sequence[float]) -> list[float]:
    """Return the mean of each three successive values."""
    return [
        sum(values[index : index + _MEAN_OF]) / _MEAN_OF
        for index in range(len(values) - _MEAN_OF + 1)
    ]


def _is_significant(
    values: Sequence[float], change: float, conditions: int = 1, *, is_robust: bool = True
) -> bool:
    """Whether a change of means of three values exceeds the noise of the values around a drift.

    Args:
        values: The values, in order.
        change: The change.
        conditions: Number of conditions that have to be met at once.
        is_robust: Whether single large changes are no noise.
    """
    noise = _noise(values)
    if not is_robust:
        noise = max(noise, stdev(b - a for a, b in pairwise(values)) / math.sqrt(2))
    return change > critical_value(len(values), conditions) * noise * math.sqrt(2 / _MEAN_OF)


def _noise(values: Sequence[float]) -> float:
    """Return the standard deviation of values around a drift."""
    changes = [b - a for a, b in pairwise(values)]
    drift = median(changes)
    return 1.4826 / math.sqrt(2) * median([abs(change - drift) for change in changes])
