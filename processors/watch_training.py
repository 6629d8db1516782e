"""Raises an alert when the metrics or rewards of a training indicate a problem."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import structlog

from logflume.logger.channels import CHANNELS
from logflume.logger.logger import get_logger
from logflume.protocols import EventDict
from logflume.runs.info import RunInfo
from logflume.values.columnar import Getter, getter

from ._balance import AntiCorrelatedFunctions, DominatingFunction, Rewards
from ._findings import Finding, MetricSignal, Report, Signal, TrackedSignal
from ._reports import (
    TRAINER_NAMES,
    are_usable,
    as_metric,
    is_number,
    read_rewards,
    spread_within_groups,
)
from ._reward_signals import RewardWithoutCorrectness, RewardWithTruncation
from ._signals import Nonfinite, OffTrend, VarianceCollapse, ZeroSignal
from ._trend import Row

__all__ = ["WatchTraining"]

_MAX_CACHED_PLANS = 256
"""Number of distinct sets of field names whose plans are cached."""


class _ReadPlan(NamedTuple):
    """Which fields to read from events with a certain set of fields, and for which signals.

    Attributes:
        names: The fields that are read.
        get: Returns their values.
        signals: The signals that read any of them, each with a getter for its row.
    """

    names: Sequence[str]
    get: Getter
    signals: list[tuple[TrackedSignal[Row], Getter]]


class WatchTraining:
    """A processor that logs an `alert` event, at level warning, when a training shows a problem.

    It evaluates `training` and `reward` events, except those of evaluations, and passes all events
    unchanged. Place it after `flatten_rewards`. The signals:

    - `nonfinite_loss`: the loss is NaN or infinite.
    - `nonfinite_gradient`: the norm of the gradient is NaN or infinite, but the loss isn't:
      transformers reports a loss of 0.0 with it.
    - `reward_with_truncation`: the reward rises while more completions are truncated at the length
      limit.
    - `reward_without_correctness`: the reward keeps rising, but correctness doesn't.
    - `variance_collapse`: the spread of the reward within groups has collapsed without a gain in
      reward.
    - `zero_signal`: in most groups, all completions have the same reward.
    - `dominating_function`: one reward function determines the reward although others vary.
    - `anti_correlated_functions`: two reward functions work against each other.
    - `kl_off_trend`, `entropy_off_trend`: the metric suddenly leaves the range expected from its
      last window.

    Each signal raises one alert, and another one if it reappears after being absent for a window.
    The defaults prefer late alerts to false ones: all signals except the first two need a full
    window of reports. A report is one event: with `logging_steps=10`, a window of 20 reports is 200
    steps. A trainer's `run_started` event resets all signals. Only rank 0 evaluates events.

    Args:
        window_reports: Length of the window in reports; at least 2.
        truncation_rise: Minimum rise of the share of truncated completions, 0 to 1.
        flat_windows: Number of windows in which correctness has to be flat while the reward rises;
            at least 2.
        correctness: Text that the name of the reward function for correctness contains.
        variance_share: Share of the widest spread below which the variance has collapsed, 0 to 1.
        zero_signal_share: Share of groups without spread at which there is no signal, 0 to 1.
        dominating_share: Share of the variance at which a function dominates, 0 to 1.
        anti_correlation: Correlation below which two functions work against each other, -1 to 0.
        off_trend_factor: Factor above or below the expected range at which a metric is off its
            trend.
        run: The run that is logged; determines the rank.

    Raises:
        ValueError: `window_reports` or `flat_windows` is below 2.

    Example:
        >>> processors = ["tag_step", "flatten_rewards", {"watch_training": {"window_reports": 50}}]
    """

    detachable = True
    event_types = frozenset({"training", "reward", "run_started"})

    def __init__(
        self,
        *,
        window_reports: int = 20,
        truncation_rise: float = 0.3,
        flat_windows: int = 5,
        correctness: str = "correct",
        variance_share: float = 0.05,
        zero_signal_share: float = 0.9,
        dominating_share: float = 0.995,
        anti_correlation: float = -0.5,
        off_trend_factor: float = 3.0,
        run: RunInfo | None = None,
    ) -> None:
        if window_reports < 2 or flat_windows < 2:
            raise ValueError(
                f"A trend needs at least 2 values: window_reports is {window_reports} and "
                f"flat_windows is {flat_windows}."
            )
        self._window_reports = window_reports
        self._truncation_rise = truncation_rise
        self._flat_windows = flat_windows
        self._correctness = correctness
        self._variance_share = variance_share
        self._zero_signal_share = zero_signal_share
        self._dominating_share = dominating_share
        self._anti_correlation = anti_correlation
        self._off_trend_factor = off_trend_factor
        self._is_watching = run is None or run.rank == 0
        self._reset()

    def __call__(self, _logger: Any, _method_name: str, event_dict: EventDict) -> EventDict:
        """Evaluate the event, and return it unchanged."""
        if self._is_watching and event_dict.get("mode") != "eval":
            event_type = event_dict.get("event")
            if event_type == "training":
                self._watch_metrics(event_dict, {})
            elif event_type == "reward":
                self._watch_rewards(event_dict)
            elif event_type == "run_started":
                self._reset()
        return event_dict

    def _reset(self) -> None:
        """Discard all state: another training begins."""
        window = self._window_reports
        factor = self._off_trend_factor
        self._has_trainer = False
        self._metric_reports = self._reward_reports = 0
        self._plans: dict[tuple[Any, tuple[str, ...]], _ReadPlan] = {}
        metric_signals: dict[str, MetricSignal] = {
            "reward_with_truncation": RewardWithTruncation(window, self._truncation_rise),
            "reward_without_correctness": RewardWithoutCorrectness(
                window, self._flat_windows, self._correctness
            ),
            "variance_collapse": VarianceCollapse(window, self._variance_share),
            "zero_signal": ZeroSignal(window, self._zero_signal_share),
            "kl_off_trend": OffTrend("kl", window, factor, is_fall_bad=False),
            "entropy_off_trend": OffTrend("entropy", window, factor, is_fall_bad=True),
        }
        reward_signals: dict[str, Signal[Rewards]] = {
            "dominating_function": DominatingFunction(window, self._dominating_share),
            "anti_correlated_functions": AntiCorrelatedFunctions(window, self._anti_correlation),
        }
        self._event_signals = [
            TrackedSignal("nonfinite_loss", Nonfinite("loss", "loss"), window),
            TrackedSignal(
                "nonfinite_gradient", Nonfinite("grad_norm", "norm of the gradient", "loss"), window
            ),
        ]
        self._metric_signals = [
            (signal, TrackedSignal(name, signal, window)) for name, signal in metric_signals.items()
        ]
        self._reward_signals = [
            TrackedSignal(name, signal, window) for name, signal in reward_signals.items()
        ]

    def _watch_metrics(self, event_dict: EventDict, trainer_names: Mapping[str, str]) -> None:
        """Evaluate the metrics of an event.

        Args:
            event_dict: The event.
            trainer_names: Fields of the event whose metrics a trainer reports under other names.
        """
        event_type = event_dict.get("event")
        if not self._has_trainer and event_type == "training":
            self._has_trainer = is_number(event_dict.get("reward"))
        key = (event_type, tuple(event_dict))
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = self._plan(event_dict, trainer_names)
        self._metric_reports = number = self._metric_reports + 1
        numbers: Mapping[str, Any] = event_dict
        if not are_usable(plan.get(event_dict)):
            self._evaluate(event_dict, number, self._event_signals, event_dict)
            numbers = {name: as_metric(event_dict[name]) for name in plan.names}
        for tracked, get in plan.signals:
            if (finding := tracked.signal(get(numbers))) is not None:
                self._report(tracked, number, finding, event_dict)

    def _plan(self, names: Iterable[str], trainer_names: Mapping[str, str]) -> _ReadPlan:
        """Return which fields to read from events with these fields, and for which signals."""
        if len(self._plans) >= _MAX_CACHED_PLANS:
            self._plans.clear()
        metrics = {trainer_names.get(name, name): name for name in names}
        selected = [
            (tracked, [metrics[metric] for metric in signal.select(metrics)])
            for signal, tracked in self._metric_signals
        ]
        # These are read as well, because they have to be finite.
        finite = [metrics[name] for name in ("loss", "grad_norm") if name in metrics]
        read = list(dict.fromkeys(chain(finite, *(fields for _, fields in selected))))
        signals = [(tracked, getter(fields)) for tracked, fields in selected if fields]
        return _ReadPlan(read, getter(read), signals)

    def _watch_rewards(self, event_dict: EventDict) -> None:
        self._reward_reports = number = self._reward_reports + 1
        self._evaluate(event_dict, number, self._reward_signals, read_rewards(event_dict))
        if not self._has_trainer:  # a trainer reports the same metrics itself
            spread = {"reward_std": spread_within_groups(event_dict)}
            self._watch_metrics({**spread, **event_dict}, TRAINER_NAMES)

    def _evaluate(
        self,
        event_dict: EventDict,
        number: int,
        signals: Iterable[TrackedSignal[Report]],
        report: Report,
    ) -> None:
        for tracked in signals:
            if (finding := tracked.signal(report)) is not None:
                self._report(tracked, number, finding, event_dict)

    def _report(
        self, tracked: TrackedSignal[Any], number: int, finding: Finding, event_dict: EventDict
    ) -> None:
        if tracked.is_new(number):
            self._alert(tracked.name, finding, event_dict.get("step"))

    def _alert(self, name: str, finding: Finding, step: Any) -> None:
        # In a chain of plain structlog, the alert goes where the other events go.
        make_logger = structlog.get_logger if CHANNELS.is_held else get_logger
        make_logger("training").warning(
            "alert",
            **{
                **finding.fields,
                "signal": name,
                "message": finding.message,
                "window_reports": self._window_reports,
                "step": step,
                "mode": "train",
            },
        )
