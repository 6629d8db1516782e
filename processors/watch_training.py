"""Raises an alert when the metrics, rewards or completions of a training run indicate a problem."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from logflume.diagnosis.completion_measures import FIELDS
from logflume.diagnosis.finding import Finding
from logflume.diagnosis.options import with_shorthands
from logflume.diagnosis.watch import EVENT_TYPES, Diagnosis
from logflume.protocols import EventDict
from logflume.runs.info import RunInfo

from ._reports import find_logger, report_limited

__all__ = ["WatchTraining"]

_COMMON_TYPES = frozenset({int, float, str, bool, type(None), list, tuple})


class WatchTraining:
    """A processor that logs an `alert` event when training shows a problem.

    All events pass unchanged. Place the processor last, or directly before `aggregate_metrics`,
    because it reads the fields of `flatten_rewards`, `measure_generations` and `inject_gpu_stats`.
    The same detectors diagnose a recorded run (`logflume diagnose`); docs/diagnosis.md states what
    each of them means and compares.

    An alert has the signal, its severity (which is the level of the event), a message with the
    numbers, the likely cause, what to try next, and the ids of completions that show it.

    Each signal raises one alert. Once the problem has been absent for 100 reports and its metric
    has recovered, another alert, with `over_since`, says so, and the signal can be raised again.
    After each recurrence, the problem must be absent for three times as long. A report is one
    `training` event, together with the `reward` event of the same step: with `logging_steps=10`, 50
    reports are 500 steps. A trainer's `run_started` event begins another training session. Only
    rank 0 is watched. If a detector raises an exception, one warning says so, and the others
    continue.

    Args:
        detectors: Options of detectors by signal, such as `{"entropy_collapse": {"share": 0.05}}`.
        correctness: Part of the name of the reward function for correctness; None: one of the usual
            names.
        truncation_rise: Short for the option `rise` of `reward_with_truncation`.
        variance_share: Short for `share` of `variance_collapse`.
        zero_signal_share: Short for `share` of `groups_without_signal`.
        dominating_share: Short for `share` of `dominating_function`.
        anti_correlation: Short for `correlation` of `anti_correlated_functions`.
        run: The run, for its rank.

    Raises:
        ValueError: There is no such signal, or its detector has no such option.

    Example:
        >>> processors = ["tag_step", "flatten_rewards", {"watch_training": {"correctness": "f1"}}]
    """

    detachable = True
    event_types = EVENT_TYPES

    def __init__(
        self,
        *,
        detectors: Mapping[str, Mapping[str, Any]] | None = None,
        correctness: str | None = None,
        truncation_rise: float | None = None,
        variance_share: float | None = None,
        zero_signal_share: float | None = None,
        dominating_share: float | None = None,
        anti_correlation: float | None = None,
        run: RunInfo | None = None,
    ) -> None:
        options = with_shorthands(
            detectors or {},
            correctness=correctness,
            truncation_rise=truncation_rise,
            variance_share=variance_share,
            zero_signal_share=zero_signal_share,
            dominating_share=dominating_share,
            anti_correlation=anti_correlation,
        )
        self._diagnosis = Diagnosis(options, self._report_limited)
        self._current: Mapping[str, Any] = {}
        self._is_watching = run is None or run.rank == 0

    def __call__(self, _logger: Any, _method_name: str, event_dict: EventDict) -> EventDict:
        """Evaluate the event, and return it unchanged."""
        if self._is_watching:
            self._current = event_dict
            self._report(self._diagnosis.observe(_flat(event_dict)))
        return event_dict

    def process_columns(self, columns: dict[str, Sequence[Any]]) -> dict[str, Sequence[Any]] | None:
        """Evaluate several `model_output` events; None for other types."""
        if columns["event"][0] != "model_output":
            return None
        if self._is_watching:
            self._current = {name: values[0] for name, values in columns.items()}
            absent = [None] * len(columns["event"])
            modes = columns.get("mode", absent)
            selected = zip(*[columns.get(name, absent) for name in FIELDS], strict=True)
            for mode, values in zip(modes, selected, strict=True):
                if mode != "eval":
                    self._report(self._diagnosis.observe_completion(values))
        return columns

    def _report_limited(self, reason: str) -> None:
        report_limited("watch_training", reason, self._current)

    def _report(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            log = getattr(find_logger("training"), finding.severity)
            log("alert", **finding.fields, step=finding.step, mode="train")


def _flat(event_dict: EventDict) -> Mapping[str, Any]:
    """Return the event as it is recorded: a mapping becomes fields with a `/`."""
    if _COMMON_TYPES.issuperset(map(type, event_dict.values())):
        return event_dict
    flat: dict[str, Any] = {}
    for name, value in event_dict.items():
        if isinstance(value, Mapping) and name != "weights":
            flat.update({f"{name}/{key}": inner for key, inner in value.items()})
        else:
            flat[name] = value
    return flat
