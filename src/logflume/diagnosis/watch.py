"""Feeds the events of a training run to the detectors, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from logflume.diagnosis.completion_measures import FIELDS, Completions
from logflume.diagnosis.detector import Detector
from logflume.diagnosis.detectors import make_detectors
from logflume.diagnosis.finding import Evidence, Finding
from logflume.diagnosis.history import History
from logflume.diagnosis.open_finding import OpenFinding
from logflume.diagnosis.reward_batches import measure_reward_batch
from logflume.guard import Failure, call_guarded, describe, unended

__all__ = ["EVENT_TYPES", "Diagnosis"]

EVENT_TYPES = frozenset(
    {
        "training",
        "reward",
        "generation",
        "evaluation",
        "system",
        "model_output",
        "run_started",
        "run_finished",
    }
)
"""The event types that the diagnosis reads."""

_QUIET_REPORTS = 100
"""Number of reports for which a problem must be absent before it is over and can be found again."""

_QUIET_FACTOR = 3
"""Factor by which that number grows with each recurrence, which limits repeated findings."""

_CHECK_REPORTS = 10
"""Number of reports between two looks at the metrics of open problems."""

_MAX_SUBSCRIPTIONS = 256


class _Subscribers(NamedTuple):
    """The detectors to call for a set of metrics.

    Attributes:
        each: Those that are called for each report.
        by_block: Those that are called if a block of one of these metrics is complete.
    """

    each: list[Detector]
    by_block: list[tuple[Detector, frozenset[str]]]


class Diagnosis:
    """The diagnosis of one training run, event by event.

    The same class diagnoses a live training run (`watch_training`) and a recorded one (`logflume
    diagnose`). A problem is found when its detector has evidence. It is over when there has been no
    evidence for 100 reports and its metric is closer to its value before the problem than to its
    value in the finding; a finding with `over_since` says so. Then the problem can be found again;
    the next time, it must be absent for 300 reports, then for 900, and so on. A `run_started` event
    begins another training run.

    If a detector raises an exception, the others continue.

    Args:
        options: Options of detectors, by the names of their signals.
        on_failure: Called with the first exception of each detector, as one sentence.

    Raises:
        ValueError: There is no such signal or option.

    Example:
        >>> diagnosis = Diagnosis()
        >>> [f.signal for f in diagnosis.observe({"event": "training", "loss": float("nan")})]
        ['nonfinite_loss']
    """

    def __init__(
        self,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        on_failure: Callable[[str], None] = lambda _sentence: None,
    ) -> None:
        self._options = options or {}
        self._on_failure = on_failure
        self._failed: set[str] = set()
        self._judging = ""
        self._begin()

    def _begin(self, started: Mapping[str, Any] | None = None) -> None:
        self._detectors = make_detectors(self._options)
        self._history = History(started)
        self._completions = Completions()
        self._open: dict[Detector, OpenFinding] = {}
        self._quiet: dict[Detector, int] = {}
        self._subscribers: dict[frozenset[str], _Subscribers] = {}

    @property
    def history(self) -> History:
        """The metrics of the current training so far."""
        return self._history

    @property
    def reports(self) -> int:
        """Number of reports of the current training so far."""
        return self._history.reports

    def observe(self, event: Mapping[str, Any]) -> list[Finding]:
        """Add an event, and return what it reveals. Events of other types reveal nothing."""
        event_type = event.get("event")
        if event_type == "run_started":
            self._begin(event)
            return []
        if event_type == "evaluation":
            return self._evaluate(self._history.add_evaluation(event))
        if event_type == "system":
            return self._evaluate(self._history.add_sample(event))
        if event.get("mode") == "eval":
            return []
        if event_type == "training":
            return self._observe_report(event)
        if event_type == "reward":
            return self._observe_rewards(event)
        if event_type == "generation":
            return self._evaluate(self._history.add_shares(event))
        if event_type == "model_output":
            return self.observe_completion([event.get(name) for name in FIELDS])
        if event_type == "run_finished" and event.get("status") == "finished":
            return self._finish()
        return []

    def observe_completion(self, values: Sequence[Any]) -> list[Finding]:
        """Add a completion of training, given by the values of `FIELDS`."""
        measures = self._completions.add(values)
        return self._evaluate(self._history.add_values(measures)) if measures else []

    def _finish(self) -> list[Finding]:
        """Return what is known only because the run is finished."""
        self._history.finish()
        return self._judge([detector for detector in self._detectors if detector.judges_end])

    def _observe_report(self, event: Mapping[str, Any]) -> list[Finding]:
        history = self._history
        metrics = history.add_report(event)
        findings = self._close() + self._evaluate(metrics)
        findings += self._evaluate(history.add_evaluation(event, is_prefixed=True))
        return findings + self._evaluate(history.add_sample(event))

    def _observe_rewards(self, event: Mapping[str, Any]) -> list[Finding]:
        history = self._history
        measures = measure_reward_batch(event, with_spread=not history.is_of_trainer("reward_std"))
        spread = measures.pop("spread_within_groups", None)
        extra = {} if spread is None else {"reward_std": spread}
        metrics = history.add_report({**extra, **event})
        findings = self._close() + self._evaluate(metrics)
        return findings + self._evaluate(history.add_values(measures))

    def _evaluate(self, metrics: frozenset[str]) -> list[Finding]:
        """Call the detectors that read one of the metrics."""
        if not metrics:
            return []
        subscribers = self._subscribers.get(metrics)
        if subscribers is None:
            if len(self._subscribers) >= _MAX_SUBSCRIPTIONS:
                self._subscribers.clear()
            subscribers = self._subscribers[metrics] = self._subscribe(metrics)
        completed = self._history.completed
        by_block = subscribers.by_block if completed else []
        due = [detector for detector, read in by_block if not read.isdisjoint(completed)]
        return self._judge(subscribers.each + due)

    def _judge(self, detectors: Iterable[Detector]) -> list[Finding]:
        """Return what detectors find. One that fails is named once, and the others continue."""
        findings: list[Finding] = []
        remaining = iter(detectors)
        # One guard around all of them: one for each would take as long as several of them.
        while isinstance(failure := call_guarded(self._judge_each, remaining, findings), Failure):
            signal = self._judging
            if signal not in self._failed:
                self._failed.add(signal)
                at = "" if self._history.step is None else f" at step {self._history.step}"
                self._on_failure(
                    f"the detector {signal} failed{at}: {unended(describe(failure.error))}. "
                    "The other detectors continue"
                )
        return findings

    def _judge_each(self, detectors: Iterator[Detector], findings: list[Finding]) -> None:
        history = self._history
        for detector in detectors:
            self._judging = detector.signal
            if (evidence := detector.evaluate(history)) is not None:
                self._raise(detector, evidence, findings)

    def _subscribe(self, metrics: Iterable[str]) -> _Subscribers:
        each: list[Detector] = []
        by_block: list[tuple[Detector, frozenset[str]]] = []
        for detector in self._detectors:
            triggers = detector.reads[: detector.triggers]
            read = frozenset(m for m in metrics if any(_is_trigger(t, m) for t in triggers))
            if read and detector.each_report:
                each.append(detector)
            elif read:
                by_block.append((detector, read))
        return _Subscribers(each, by_block)

    def _raise(self, detector: Detector, evidence: Evidence, findings: list[Finding]) -> None:
        """Add a finding, unless the problem is known."""
        history = self._history
        if (known := self._open.get(detector)) is not None:
            known.see(history)
            return
        shown = self._completions.show(detector.shows) if detector.shows else ()
        finding = Finding(
            signal=evidence.signal or detector.signal,
            severity=evidence.severity or detector.severity,
            step=history.step,
            evidence=evidence,
            cause=evidence.cause or detector.cause,
            try_next=evidence.try_next or detector.try_next,
            completions=shown,
            condition=detector.shows if shown else None,
        )
        self._open[detector] = OpenFinding(finding, detector, history)
        quiet = self._quiet.get(detector)
        self._quiet[detector] = _QUIET_REPORTS if quiet is None else _QUIET_FACTOR * quiet
        findings.append(finding)

    def _close(self) -> list[Finding]:
        """Return the findings of problems that are over."""
        history = self._history
        is_check = history.reports % _CHECK_REPORTS == 0
        over = []
        for detector, known in list(self._open.items()):
            if is_check and known.persists(history):
                known.see(history)
            elif history.reports - known.last_report > self._quiet[detector]:
                del self._open[detector]
                over.append(known.over(history))
        return over


def _is_trigger(trigger: str, metric: str) -> bool:
    return metric.startswith(trigger) if trigger.endswith("/") else metric == trigger
