"""Tells while a training runs what a person would want to be told of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from logflume.protocols import EventDict
from logflume.runs.info import RunInfo
from logflume.values.columnar import Getter, getter

from ._balance import AntiCorrelated, Dominating, Rewards
from ._findings import Finding, MetricSignal, Report, Signal, Watched
from ._reports import AS_TRAINERS_SAY, are_usable, as_metric, is_a_number, read_rewards
from ._reward_signals import RewardWithoutCorrectness, RewardWithTruncation
from ._signals import NonfiniteLoss, OffTrend, VarianceCollapse, ZeroSignal
from ._trend import Row

__all__ = ["WatchTraining"]

_SHAPES = 256
"""Sets of names that are remembered with what is read of them."""


class _Readers(NamedTuple):
    """Who reads what of the events with certain fields.

    Attributes:
        names: The fields that are read.
        get: Returns their values.
        signals: The signals that read any, and what returns theirs.
    """

    names: Sequence[str]
    get: Getter
    signals: list[tuple[Watched[Row], Getter]]


class WatchTraining:
    """A processor that raises an `alert` event, at warning level, when a training goes astray.

    It watches `training` and `reward` events, those of evaluations aside, and passes on all events
    as they are. It belongs after `flatten_rewards`. The signals:

    - `nonfinite_loss`: the loss is NaN or infinite.
    - `reward_with_truncation`: the reward is up while more completions are cut at the length limit.
    - `reward_without_correctness`: the reward rises on and on, the correctness doesn't.
    - `variance_collapse`: the spread within groups is gone, and the reward is no better for it.
    - `zero_signal`: in most groups all completions have the same reward.
    - `dominating_function`: one reward function makes up the reward although others vary.
    - `anti_correlated_functions`: one reward function pays for what another takes away.
    - `kl_off_trend`, `entropy_off_trend`: it suddenly left what its last window led to expect.

    Each is told once, and again when it comes back after it was gone for a window. They are set
    to be rather late than wrong: all but the first need a whole window of reports. A report is one
    event: with `logging_steps=10` a window of 20 reports is 200 steps. A trainer's `run_started`
    begins anew. Only rank 0 watches.

    Args:
        window_reports: Length of the window in reports; at least 2.
        truncation_rise: How much the share of truncated completions has to rise, 0 to 1.
        flat_windows: Over how many windows correctness has to be flat while the reward rises;
            at least 2.
        correctness: What the name of the function for correctness contains.
        variance_share: Below which share of the widest spread the variance has collapsed, 0 to 1.
        zero_signal_share: From which share of groups without spread on there is no signal, 0 to 1.
        dominating_share: From which part of the variance on a function dominates, 0 to 1.
        anti_correlation: Below which correlation two functions work against each other, -1 to 0.
        off_trend_factor: How many times above or below what is expected is off the trend.
        run: Who we are.

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
        self._begin()

    def __call__(self, _logger: Any, _method_name: str, event_dict: EventDict) -> EventDict:
        """Look at the event, and return it as it came."""
        if self._is_watching and event_dict.get("mode") != "eval":
            event_type = event_dict.get("event")
            if event_type == "training":
                self._watch_metrics(event_dict, {})
            elif event_type == "reward":
                self._watch_rewards(event_dict)
            elif event_type == "run_started":
                self._begin()
        return event_dict

    def _begin(self) -> None:
        """Forget all that was seen: what comes is another training."""
        window = self._window_reports
        factor = self._off_trend_factor
        self._has_trainer = False
        self._metric_reports = self._reward_reports = 0
        self._readers: dict[tuple[Any, tuple[str, ...]], _Readers] = {}
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
            "dominating_function": Dominating(window, self._dominating_share),
            "anti_correlated_functions": AntiCorrelated(window, self._anti_correlation),
        }
        self._event_signals = [Watched("nonfinite_loss", NonfiniteLoss(), window)]
        self._metric_signals = [
            (signal, Watched(name, signal, window)) for name, signal in metric_signals.items()
        ]
        self._reward_signals = [Watched(n, signal, window) for n, signal in reward_signals.items()]

    def _watch_metrics(self, event_dict: EventDict, called: Mapping[str, str]) -> None:
        """Tell the signals of an event's metrics; `called` has those with another name there."""
        event_type = event_dict.get("event")
        if not self._has_trainer and event_type == "training":
            self._has_trainer = is_a_number(event_dict.get("reward"))
        key = (event_type, tuple(event_dict))
        readers = self._readers.get(key)
        if readers is None:
            readers = self._readers[key] = self._choose(event_dict, called)
        self._metric_reports = number = self._metric_reports + 1
        numbers: Mapping[str, Any] = event_dict
        if not are_usable(readers.get(event_dict)):
            self._tell(event_dict, number, self._event_signals, event_dict)
            numbers = {name: as_metric(event_dict[name]) for name in readers.names}
        for watched, get in readers.signals:
            if (finding := watched.signal(get(numbers))) is not None:
                self._note(watched, number, finding, event_dict)

    def _choose(self, names: Iterable[str], called: Mapping[str, str]) -> _Readers:
        """Return who reads what of events with these fields."""
        if len(self._readers) >= _SHAPES:
            self._readers.clear()
        metrics = {called.get(name, name): name for name in names}
        chosen = [
            (watched, [metrics[metric] for metric in signal.select(metrics)])
            for signal, watched in self._metric_signals
        ]
        # The loss is looked at, too, for it has to be finite.
        loss = [metrics["loss"]] if "loss" in metrics else []
        read = list(dict.fromkeys(chain(loss, *(fields for _, fields in chosen))))
        signals = [(watched, getter(fields)) for watched, fields in chosen if fields]
        return _Readers(read, getter(read), signals)

    def _watch_rewards(self, event_dict: EventDict) -> None:
        self._reward_reports = number = self._reward_reports + 1
        self._tell(event_dict, number, self._reward_signals, read_rewards(event_dict))
        if not self._has_trainer:  # else its own report says the same
            self._watch_metrics(event_dict, AS_TRAINERS_SAY)

    def _tell(
        self,
        event_dict: EventDict,
        number: int,
        signals: Iterable[Watched[Report]],
        report: Report,
    ) -> None:
        for watched in signals:
            if (finding := watched.signal(report)) is not None:
                self._note(watched, number, finding, event_dict)

    def _note(
        self, watched: Watched[Any], number: int, finding: Finding, event_dict: EventDict
    ) -> None:
        if watched.is_news(number):
            self._alert(watched.name, finding, event_dict.get("step"))

    def _alert(self, name: str, finding: Finding, step: Any) -> None:
        from logflume import get_logger  # not above: it imports the pipeline that imports us

        get_logger("training").warning(
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
