"""The interface of detectors, and the comparison that most of them make."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple, dataclass_transform

from logflume.diagnosis.completion_measures import Condition
from logflume.diagnosis.error_rate import BLOCK_REPORTS, CORRELATION_FACTOR
from logflume.diagnosis.finding import Evidence, Severity
from logflume.diagnosis.history import History
from logflume.diagnosis.scale import CORRECTNESS, find_correctness
from logflume.diagnosis.series import Series

__all__ = [
    "Change",
    "Detector",
    "first_known",
    "has_gained",
    "has_lost",
    "high_from_start",
    "pays_off",
    "risen",
    "state",
]


def state(initial: Callable[[], Any] | float, *, init: Literal[False] = False) -> Any:
    """Declare a field that a detector keeps between its calls and that is not an option.

    Args:
        initial: The initial value, or a function that returns one.
        init: For type checkers: it is no parameter of the constructor.
    """
    if callable(initial):
        return field(default_factory=initial, init=init)
    return field(default=initial, init=init)


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(state,))
class Detector:
    """Detects one kind of problem in the metrics of a training run.

    A detector says nothing about what it can't judge, such as missing metrics or too few reports.
    Its annotated fields are its options, with their defaults; the constructor takes them as keyword
    arguments. `state` declares what it keeps between calls.

    Attributes:
        signal: Name of the signal.
        variants: More specific signals that it raises instead.
        severity: How severe the problem is.
        reads: The metrics that it reads, by logflume's names; a name that ends in `/` is the prefix
            of several. The detector is called when one of the first `triggers` metrics is reported.
        triggers: Number of metrics whose report causes a call.
        each_report: Whether it is called for each report, instead of for each completed block.
        meaning: What the signal means, in one sentence.
        cause: The likely cause.
        try_next: What to try, with the keys of the trainers' configurations.
        literature: Where the failure is described.
        shows: What is true of the completions that show the problem; None if completions can't show
            it.
        returns: Whether the metric returns to its earlier value when the problem is over. If not,
            the problem is over as soon as there is no evidence.
        judges_end: Whether it needs less evidence at the end of training (`History.is_ending`).
    """

    signal: ClassVar[str]
    variants: ClassVar[tuple[str, ...]] = ()
    severity: ClassVar[Severity] = "warning"
    reads: ClassVar[tuple[str, ...]]
    triggers: ClassVar[int] = 1
    each_report: ClassVar[bool] = False
    meaning: ClassVar[str]
    cause: ClassVar[str]
    try_next: ClassVar[str]
    literature: ClassVar[str] = ""
    shows: ClassVar[Condition | None] = None
    returns: ClassVar[bool] = True
    judges_end: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        """Make the constructor from the declared options."""
        dataclass(eq=False, kw_only=True)(cls)

    def evaluate(self, history: History) -> Evidence | None:
        """Return the evidence for the problem while it persists, else None."""
        raise NotImplementedError

    def persists(self, history: History, evidence: Evidence) -> bool:
        """Whether a problem persists for which there is no new evidence.

        By default, if the metric `returns`: whether its level is closer to the value in the
        evidence than to the one before. Otherwise it is over, as if the evidence lacks these.
        """
        value, before = evidence.value, evidence.before
        if not self.returns or value is None or before is None:
            return False
        level = self.current_value(history, evidence)
        return abs(level - value) < abs(level - before)  # False for NaN

    def current_value(self, history: History, evidence: Evidence) -> float:
        """Return the current `value` of the evidence, the level of its metric; NaN if unknown."""
        metric = history.metric_of(evidence.metric)
        return math.nan if metric is None else history[metric].level(BLOCK_REPORTS)


def first_known(history: History, metrics: Sequence[str]) -> str:
    """Return the first metric that has been reported; the last one if none has."""
    return next((metric for metric in metrics if metric in history), metrics[-1])


class Change(NamedTuple):
    """The level of a metric before and now."""

    before: float
    value: float


def risen(series: Series, *, level: float, rise: float, reports: int) -> Change | None:
    """Return the rise of a level from its lowest block; None if it hasn't risen.

    Args:
        series: The metric.
        level: The minimum of the median of the last reports.
        rise: The minimum by which the median exceeds the level of the lowest block; it must also
            exceed noise.
        reports: Number of reports of that median.
    """
    bottom = series.bottom
    if series.last < level or bottom is None:
        return None
    value = series.level(reports)
    if not (value >= level and value - bottom.level >= rise):  # NaN: too few reports
        return None
    if not series.is_significant(value - bottom.level, reports / BLOCK_REPORTS):
        return None
    return Change(bottom.level, value)


_FROM_START_STEPS = 60
_FROM_START_REPORTS = 20
_KEPT_SHARE = 0.8


def high_from_start(history: History, metric: str, level: float) -> Change | None:
    """Return the levels at the start and now if a metric has been high from the start, else None.

    It has to be high for 60 steps and at least 20 reports; at the end of training, 20 reports
    are enough.

    Args:
        history: The metrics.
        metric: The metric.
        level: The minimum of the median of the last 20 reports, which must also be at least 80% of
            the first block: what falls faster may be over soon.
    """
    series = history[metric]
    if series.count < _FROM_START_REPORTS or series.last < level:
        return None
    # Of completions there may be a batch for each step, of which not each is a report.
    steps = max(series.count, history.reports * history.stride)
    if steps < _FROM_START_STEPS and not history.is_ending:
        return None
    value, start = series.level(_FROM_START_REPORTS), series.blocks[0].level
    is_high = value >= level and start >= level and value >= _KEPT_SHARE * start
    return Change(start, value) if is_high else None


def has_gained(series: Series, report: int, *, share: float) -> bool:
    """Whether a level has risen since a report, by more than a share of it and more than noise.

    Args:
        series: The metric, such as the reward.
        report: Number of that report.
        share: The minimum rise, as a share of the larger level.
    """
    before, now = series.mean_at(report), series.mean(min(3, len(series.blocks)))
    if before != before or now != now:  # NaN: not reported
        return False
    gain = now - before
    return gain > share * max(abs(before), abs(now)) and gain > 2 * series.error(3, 3)


def has_lost(series: Series, report: int, *, share: float) -> bool:
    """Whether a level has fallen since a report, by a share of it and more than noise.

    Args:
        series: The metric, such as the reward.
        report: Number of that report.
        share: The minimum loss, as a share of the level before.
    """
    before, now = series.mean_at(report), series.mean(min(3, len(series.blocks)))
    loss = before - now
    return loss > share * abs(before) and loss > 2 * series.error(3, 3) / CORRELATION_FACTOR


_LOSS_OF_CORRECTNESS = 1 / 7


def pays_off(history: History, report: int, *, share: float) -> bool:
    """Whether the reward has risen since a report, and not at the expense of correct answers.

    Args:
        history: The metrics.
        report: Number of that report.
        share: The minimum rise of the reward, as a share of the larger level.
    """
    if not has_gained(history["reward"], report, share=share):
        return False
    correctness = find_correctness(history, CORRECTNESS)
    return correctness is None or not has_lost(
        history[correctness], report, share=_LOSS_OF_CORRECTNESS
    )
