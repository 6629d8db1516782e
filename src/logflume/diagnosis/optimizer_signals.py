"""Problems of the optimization: values that are not finite, exploding gradients, no updates."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from logflume.diagnosis.detector import Detector, state
from logflume.diagnosis.error_rate import (
    BLOCK_REPORTS,
    CORRELATION_FACTOR,
    critical_value,
    poisson_tail,
)
from logflume.diagnosis.finding import Evidence
from logflume.diagnosis.history import History
from logflume.diagnosis.series import Series, median

__all__ = [
    "GradientExplosion",
    "GradientSpikes",
    "LearningRateZero",
    "LossDivergence",
    "NoGradient",
    "NonfiniteGradient",
    "NonfiniteLoss",
    "NonfiniteMetric",
    "ValueDivergence",
]

_VANISHED = 1e-3
"""Share of its highest level below which a gradient is practically zero."""

_LOWER_PRECISION = (
    "Resume from an earlier checkpoint with a lower `learning_rate`; use `bf16` instead of `fp16`. "
    "Clipping doesn't help: `max_grad_norm` scales infinity to NaN."
)


class _Recurrence:
    """How often something has happened in the last 50 reports.

    Args:
        excused: How many times within the first 20 reports don't count.
    """

    _REPORTS = 50
    _LIMIT = 5
    _START = 20

    def __init__(self, excused: int = 0) -> None:
        self._excused = excused
        self._seen: deque[int] = deque()

    def add(self, report: int) -> str | None:
        """Note that it happens in a report; return how often in words, None if it is seldom."""
        seen = self._seen
        if report <= self._START and self._excused:
            self._excused -= 1
            return None
        if not seen or seen[-1] != report:
            seen.append(report)
        while seen[0] <= report - self._REPORTS:
            seen.popleft()
        reports = min(report, self._REPORTS)
        return f"{len(seen)} of {reports} reports" if len(seen) >= self._LIMIT else None


class NonfiniteLoss(Detector):
    """The loss is NaN or infinite."""

    signal = "nonfinite_loss"
    severity = "critical"
    reads = ("loss", "value_loss")
    triggers = 2
    each_report = True
    meaning = "The loss is NaN or infinite."
    cause = "An overflow, a division by zero, or a learning rate that is too high."
    try_next = _LOWER_PRECISION
    literature = "Micikevicius et al. 2018, Mixed Precision Training, arXiv:1710.03740"

    def evaluate(self, history: History) -> Evidence | None:
        """Look at the latest report only."""
        for metric in self.reads:
            if (value := history.nonfinite.get(metric)) is not None:
                return Evidence(f"The loss is {value}.", history.name(metric), value)
        return None


class NonfiniteGradient(Detector):
    """The norm of the gradient is NaN or infinite in five of 50 reports, but the loss isn't.

    transformers reports a loss of 0.0 in such a step. With `fp16`, a single one is normal: the
    scaler of the loss finds the largest scale by trial, and skips the step in which it overflows.
    After its start, that is one step in 2,000 with the settings of PyTorch; five in 50 would have a
    probability of less than 1 in 5,000 if it were one in 100. At the start, each skipped step
    halves the scale, so ten of the first 20 reports don't count.
    """

    signal = "nonfinite_gradient"
    severity = "critical"
    reads = ("grad_norm",)
    each_report = True
    meaning = "The norm of the gradient is NaN or infinite repeatedly, whatever loss is reported."
    cause = "An overflow in the backward pass; the step is skipped, or it corrupts the weights."
    try_next = _LOWER_PRECISION
    literature = "Micikevicius et al. 2018, Mixed Precision Training, arXiv:1710.03740"

    _recurrence: _Recurrence = state(lambda: _Recurrence(excused=10))

    def evaluate(self, history: History) -> Evidence | None:
        """Count the reports whose norm is not finite."""
        value = history.nonfinite.get("grad_norm")
        if value is None or "loss" in history.nonfinite:
            return None
        if (often := self._recurrence.add(history.reports)) is None:
            return None
        return Evidence(
            f"The norm of the gradient is {value}; it was not finite in {often}.",
            history.name("grad_norm"),
            value,
        )


class NonfiniteMetric(Detector):
    """A metric of the policy is NaN or infinite in five of 50 reports; loss and gradient aren't.

    A single token to which one of the policies gives no probability makes a single report infinite.
    """

    signal = "nonfinite_metric"
    reads = ("kl", "entropy", "sampling/importance_sampling_ratio/mean")
    triggers = 3
    each_report = True
    meaning = (
        "A metric of the policy is NaN or infinite repeatedly, although loss and gradient are not."
    )
    cause = "Log probabilities of minus infinity: a token that one of the policies can't produce."
    try_next = (
        "Compare the log probabilities of both policies; use the same `temperature` and `top_k` "
        "for both."
    )

    _recurrence: _Recurrence = state(_Recurrence)

    def evaluate(self, history: History) -> Evidence | None:
        """Count the reports in which one of the metrics is not finite."""
        if not history.nonfinite or not history.nonfinite.keys().isdisjoint({"loss", "grad_norm"}):
            return None
        for metric in self.reads:
            if (value := history.nonfinite.get(metric)) is not None:
                if (often := self._recurrence.add(history.reports)) is None:
                    return None
                name = history.name(metric)
                text = f"{name} is {value}; such values were in {often}."
                return Evidence(text, name, value)
        return None


class GradientSpikes(Detector):
    """The gradient norm spikes more often than usual within 50 reports.

    A report is a spike if its norm is at least `factor` times the median of earlier reports, and
    far outside their usual spread (four robust standard deviations of the logarithm, but at most 25
    times the median). A spike of 100 times the median counts twice. Norms have heavy tails, so
    single spikes are normal, and a norm that has died down (`no_gradient`) has none. The usual rate
    is that of the reports before the last 50, at least one in 200. The spikes of the last 50
    reports must have a probability of less than 1 in 5,000 at that rate (Poisson); at the lowest
    rate, four spikes do. Three spikes within 300 reports are enough if each of them is 30 times the
    median and ten robust standard deviations away from it.

    Args:
        factor: The smallest spike, as a multiple of the median norm.
    """

    signal = "gradient_spikes"
    reads = ("grad_norm",)
    returns = False
    each_report = True
    meaning = "The norm of the gradient spikes repeatedly."
    cause = "Outliers in the data or in the importance ratios, or a learning rate that is too high."
    try_next = "Lower `max_grad_norm` or `learning_rate`; look at the prompts of these steps."
    literature = "Zhao et al. 2022, PaLM (loss spikes), arXiv:2204.02311, section 5.1"

    _WINDOW = 50
    _MAX_FACTOR = 25.0
    _DEVIATIONS = 4.0
    _HUGE = 100.0
    _LONG_WINDOW = 300
    _EXTREME = 30.0
    _EXTREME_DEVIATIONS = 10.0
    _MIN_EXTREMES = 3
    _MIN_BLOCKS = 3
    _RATES = (1 / 200, 1 / 25)
    _PROBABILITY = 1 / 5_000

    factor: float = 10.0
    _spikes: deque[tuple[int, float]] = state(deque)
    _extremes: deque[tuple[int, float]] = state(lambda: deque(maxlen=GradientSpikes._MIN_EXTREMES))
    _earlier: int = state(0)
    _seen: int = state(0)
    _limit_at: int = state(0)
    _limit: float = state(math.inf)
    _usual: float = state(math.nan)
    _extreme: float = state(math.inf)

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the latest norm with those of the blocks before, and count the spikes."""
        norms = history["grad_norm"]
        if len(norms.blocks) != self._limit_at:
            self._limit_at = len(norms.blocks)
            self._set_limit(norms)
        spikes = self._spikes
        while spikes and spikes[0][0] <= norms.count - self._WINDOW:
            spikes.popleft()
            self._earlier += 1
        is_new, self._seen = norms.count > self._seen, norms.count
        if norms.last < self._limit or not is_new:
            return None
        is_huge = norms.last >= self._HUGE * self._usual
        spikes.extend([(norms.count, norms.last)] * (2 if is_huge else 1))
        lowest, highest = self._RATES
        rate = self._earlier / max(norms.count - self._WINDOW, self._WINDOW)
        expected = self._WINDOW * min(max(rate, lowest), highest)
        window, counted = self._WINDOW, spikes
        if poisson_tail(len(spikes), expected) > self._PROBABILITY:
            if not self._has_extremes(norms.count, norms.last):
                return None
            window, counted = self._LONG_WINDOW, self._extremes
        worst = max(norm for _, norm in counted)
        return Evidence(
            f"In the last {window} reports the norm of the gradient exceeded "
            f"{self._limit / self._usual:.3g} times its median of {self._usual:.3g} repeatedly; "
            f"the highest was {worst:.3g}.",
            history.name("grad_norm"),
            worst,
            self._usual,
            self._limit,
        )

    def _has_extremes(self, count: int, norm: float) -> bool:
        """Add a norm, if it is extreme, and return whether that makes too many of them."""
        if norm < self._extreme:
            return False
        self._extremes.append((count, norm))
        is_full = len(self._extremes) == self._MIN_EXTREMES
        return is_full and self._extremes[0][0] > count - self._LONG_WINDOW

    def _set_limit(self, norms: Series) -> None:
        levels = [block.level for block in norms.blocks[-12:-1]]
        if len(levels) < self._MIN_BLOCKS or norms.top is None:
            return
        usual = median(levels)
        if usual <= _VANISHED * norms.top.level:
            self._limit = self._extreme = math.inf
            return
        logarithms = [math.log(value) for value in norms.recent(50) if value > 0] or [0.0]
        middle = median(logarithms)
        deviation = 1.4826 * median([abs(value - middle) for value in logarithms])
        outside = math.exp(min(self._DEVIATIONS * deviation, 50.0))
        self._usual = usual
        self._limit = usual * max(self.factor, min(outside, self._MAX_FACTOR))
        far = math.exp(min(self._EXTREME_DEVIATIONS * deviation, 50.0))
        self._extreme = usual * max(self._EXTREME, far)


class GradientExplosion(Detector):
    """The gradient norm has risen to many times its usual value, and stays there.

    The median norm of ten reports is at least `factor` times the lower quartile of all blocks, and
    above 1, the usual limit of gradient clipping. Its logarithm also differs by more than noise,
    because the norms of small batches alternate between two levels in healthy training runs.

    Args:
        factor: The rise.
    """

    signal = "gradient_explosion"
    reads = ("grad_norm",)
    each_report = True
    meaning = "The norm of the gradient has risen by more than an order of magnitude."
    cause = "The policy has become unstable: updates are larger than the data supports."
    try_next = "Lower `learning_rate` or `max_grad_norm`; resume from a checkpoint before the rise."
    literature = "Pascanu et al. 2013, arXiv:1211.5063"

    _CLIPPING = 1.0

    factor: float = 20.0
    _limit: float = state(math.inf)
    _usual: float = state(math.nan)
    _limit_at: int = state(0)
    _spreads: deque[float] = state(lambda: deque(maxlen=60))

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the median of the last ten reports with the quartile of all blocks."""
        norms = history["grad_norm"]
        if len(norms.blocks) != self._limit_at:
            self._limit_at = len(norms.blocks)
            self._spreads.append(_spread_of_logarithms(norms.recent(BLOCK_REPORTS)))
            if self._limit_at >= 3:
                levels = sorted(block.level for block in norms.blocks)
                self._usual = levels[len(levels) // 4]
                self._limit = max(self.factor * self._usual, self._CLIPPING)
        if norms.last < self._limit:
            return None
        value = norms.level(10)
        if not (value >= self._limit and self._usual > 0):  # NaN: too few reports
            return None
        if not self._is_significant(math.log(value / self._usual)):
            return None
        return Evidence(
            f"The norm of the gradient rose from {self._usual:.3g} to {value:.3g}.",
            history.name("grad_norm"),
            value,
            self._usual,
            self._limit,
        )

    def _is_significant(self, rise: float) -> bool:
        error = 1.25 * median(self._spreads) * math.sqrt(2 / BLOCK_REPORTS)
        return rise > critical_value(4 * len(self._spreads)) * error


def _spread_of_logarithms(values: Sequence[float]) -> float:
    """Return the standard deviation of the logarithms of the positive values."""
    logarithms = [math.log(value) for value in values if value > 0]
    if len(logarithms) < 2:
        return 0.0
    mean = sum(logarithms) / len(logarithms)
    return math.sqrt(sum((v - mean) ** 2 for v in logarithms) / (len(logarithms) - 1))


class LossDivergence(Detector):
    """The loss has risen far above its lowest level, and stays there.

    The median of ten reports is at least `rise` above the lowest block, twice as high as the first
    block, and above the noise.

    Args:
        rise: The minimum rise of the loss.
    """

    signal = "loss_divergence"
    severity = "critical"
    reads = ("loss",)
    each_report = True
    meaning = "The loss has risen far above its lowest level, and stays there."
    cause = "A learning rate that is too high, or a policy far from the one that was sampled."
    try_next = "Lower `learning_rate`; lower `num_iterations` or `steps_per_generation`."

    rise: float = 1.0

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the median of the last ten reports with the lowest block and the first ones."""
        losses = history["loss"]
        bottom = losses.bottom
        if bottom is None or losses.last < bottom.level + self.rise or len(losses.blocks) < 3:
            return None
        value = losses.level(10)
        limit = max(bottom.level + self.rise, 2 * abs(losses.blocks[0].level))
        if value < limit or not losses.is_significant(value - bottom.level):
            return None
        return Evidence(
            f"The loss rose from {bottom.level:.3g} to {value:.3g}.",
            history.name("loss"),
            value,
            bottom.level,
            limit,
        )


class ValueDivergence(Detector):
    """The value function of PPO predicts returns worse than their mean does.

    The median explained variance of ten reports is below zero, and `fall` below the highest block,
    by more than noise. At the start of training it always is; from the start, it therefore has
    to be below zero for 60 reports, by more than noise, without rising.

    Args:
        fall: The smallest fall of the explained variance.
    """

    signal = "value_divergence"
    reads = ("explained_variance",)
    each_report = True
    meaning = "The value function has become useless: its predictions are worse than a constant."
    cause = "The critic can't follow the policy: a changed reward, or a wrong learning rate."
    try_next = "Raise the critic's learning rate, or warm it up; clip its loss (`cliprange_value`)."
    literature = "Schulman et al. 2017, PPO, arXiv:1707.06347"

    _MIN_BLOCKS = 6

    fall: float = 0.3

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the median of the last ten reports with zero, and with the highest block."""
        series = history[self.reads[0]]
        if not series.last < 0.0 or series.top is None:
            return None
        value, before = series.level(10), series.top.level
        name = history.name(self.reads[0])
        if before < 0.0:
            return self._never_positive(series, name)
        if not (value < 0.0 and before - value >= self.fall):
            return None
        if not series.is_significant(before - value):
            return None
        return Evidence(f"{name} fell from {before:.3g} to {value:.3g}.", name, value, before, 0.0)

    def _never_positive(self, series: Series, name: str) -> Evidence | None:
        half = len(series.blocks) // 2
        if half < self._MIN_BLOCKS // 2:
            return None
        value, before = series.mean(half), series.mean(half, before=half)
        has_risen = value - before > 2 * series.error(half, half) / CORRELATION_FACTOR
        if has_risen or not series.is_significant(-value, half, math.inf):
            return None
        text = f"{name} is {value:.3g}, and was never above zero since the start of training."
        return Evidence(text, name, value, None, 0.0)


class LearningRateZero(Detector):
    """The learning rate is zero, and neither a warm-up nor the end of the schedule explains it.

    The rate is exactly zero. If it fell from more than a tenth of its maximum, it is found
    immediately; otherwise, or if it was zero from the first report on, after `reports` reports. If
    no metric has more than four decimals, as in the log of a console, a zero may be a small rate,
    and is no evidence.

    Args:
        reports: Number of reports that a schedule may be at zero.
    """

    signal = "learning_rate_zero"
    severity = "critical"
    reads = ("learning_rate",)
    each_report = True
    meaning = "The learning rate is zero: nothing is learned."
    cause = "A schedule that is shorter than the training, or a scheduler that is set up twice."
    try_next = "Compare `max_steps` with the schedule's length; check `lr_scheduler_type`."

    _AT_ONCE_REPORTS = 3
    _HIGH = 0.1

    reports: int = 20
    _before: float = state(math.nan)

    def evaluate(self, history: History) -> Evidence | None:
        """Count the reports with a rate of zero."""
        rates = history["learning_rate"]
        if rates.last != 0.0:
            self._before = rates.last
            return None
        has_dropped = self._before > self._HIGH * rates.highest
        if rates.constant < (self._AT_ONCE_REPORTS if has_dropped else self.reports):
            return None
        if history.is_rounded:
            return None
        before = f"after {self._before:.3g} " if self._before == self._before else ""
        return Evidence(
            f"The learning rate has been zero for {rates.constant} reports {before}".rstrip() + ".",
            history.name("learning_rate"),
            0.0,
            None if self._before != self._before else self._before,
        )


class NoGradient(Detector):
    """The norm of the gradient is zero for many reports, or practically zero.

    The norm is exactly zero in `reports` successive reports; two fifths as many are enough if it
    was never zero before. Or the median of ten reports is below a thousandth of the highest block.

    Args:
        reports: Number of reports in a row.
    """

    signal = "no_gradient"
    reads = ("grad_norm",)
    each_report = True
    meaning = "The gradient is zero, or practically so: nothing is learned."
    cause = "All groups have equal rewards, all tokens are masked, or no parameter is trainable."
    try_next = "Check `frac_reward_zero_std`, the loss mask, and `requires_grad` of the parameters."

    _FIRST_SHARE = 0.4

    reports: int = 50
    _zeros: int = state(0)

    def evaluate(self, history: History) -> Evidence | None:
        """Count the reports with a norm of zero, or compare them with the highest block."""
        norms = history["grad_norm"]
        name = history.name("grad_norm")
        if norms.last == 0.0:
            self._zeros += 1
            is_first = self._zeros == norms.constant < norms.count
            if norms.constant >= (self._FIRST_SHARE if is_first else 1.0) * self.reports:
                text = f"The norm of the gradient has been zero for {norms.constant} reports."
                return Evidence(text, name, 0.0)
            return None
        if norms.top is None or norms.last >= _VANISHED * norms.top.level:
            return None
        value, limit = norms.level(10), _VANISHED * norms.top.level
        if not 0.0 < value < limit:
            return None
        text = f"The norm of the gradient fell from {norms.top.level:.3g} to {value:.3g}."
        return Evidence(text, name, value, norms.top.level, limit)
