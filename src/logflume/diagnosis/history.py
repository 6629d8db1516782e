"""The metrics of one training run so far, read from its events."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from logflume.diagnosis.series import Series
from logflume.events.metric_names import find_metric

__all__ = ["History"]

_MAX_FUNCTIONS = 16
_STRIDES = 21
_DECAYED = 0.1
_CONSOLE_DECIMALS = 4
_MAX_SERIES = 128
_MAX_PLANS = 256
_MAX_MAGNITUDE = 1e150  # squares of larger values overflow to infinity

_SHARES = frozenset({"frac_all_correct", "frac_none_correct", "repetition"})
"""Metrics of `reward` and `generation` events that alone are no report."""

_EVALUATED = frozenset({"reward", "loss", "accuracy"})

_SCORES = (
    # verl: val-core/<data>/<score>/mean@<n>
    re.compile(r"val-core/(?P<data>.+)/(?:(?P<reward>reward)|\w+)/mean@\d+"),
    re.compile(r"(?:eval/)?eval_(?P<data>.+)_pass1"),  # OpenRLHF: eval/eval_<data>_pass1
    re.compile(r"eval/(?P<data>.+)/(?:avg|mean)@\d+"),  # prime-rl: eval/<environment>/avg@<n>
    re.compile(r"validation/accuracy"),  # NeMo-RL
)
"""The mean scores of evaluations, which have names of data sets in them."""

_LEAST_PREFERRED = 99

_COEFFICIENT = re.compile(r"hyperparameters/(?:.+[./])?(?:beta|(?:init_)?kl_coef|kl_loss_coef)")
"""The coefficient of the divergence from the reference, as TRL, OpenRLHF and verl call it."""

_EVALUATION_PREFIXES = ("eval_", "eval/", "val/", "val-core/", "validation/")

_MACHINE_PREFIXES = ("gpu/", "torch/")
_MACHINE_SUFFIXES = (
    "/utilization_percent",
    "/memory_used_bytes",
    "/process_memory_bytes",
    "/allocated_bytes",
)
_MACHINE_NAMES = frozenset(
    {
        "process_memory_bytes",
        "perf/max_memory_allocated_gb",
        "perf/peak_memory",
    }
)

SECONDS_PER_TOKEN = "seconds_per_token"
"""Derived: the duration of a step divided by the tokens that it processed."""


_Found: TypeAlias = list[tuple[str, int]]
"""The metrics that have a name, each with the preference of the name."""


_SPREAD, _EQUAL = "reward_std", "frac_reward_zero_std"
_FUNCTIONS = "rewards/"


class _Plan(NamedTuple):
    """What to read from events with a certain set of fields.

    Attributes:
        fields: The fields, with our names of their metrics and the series.
        metrics: The same names, and those of what is derived.
        lacks_equal: Whether there is a spread of groups, but not the share of those without any.
    """

    fields: tuple[tuple[str, str, Series], ...]
    metrics: frozenset[str]
    lacks_equal: bool


class History:
    """The metrics of one training run so far.

    A report is a `training` event and the `reward` event of the same step, or one of them alone. Of
    a `reward` event, only what no `training` event has is read: some trainers report the means of
    all ranks, others only the total reward. A value that is missing, not a number or not finite is
    not added to its series, so each series has only the reports with a value.

    Args:
        started: The `run_started` event of training, for the number of its steps and the
            coefficient of the KL divergence.

    Attributes:
        reports: Number of reports so far.
        step: Step of the latest event; None if unknown.
        nonfinite: NaN and infinities of the latest report by metric.
        completed: The metrics whose block the latest report completed.
        functions: Names of the reward functions, in the order of their first report.
        strides: Steps between the last reports.
        has_penalty: Whether a hyperparameter says that the KL divergence is penalized.
    """

    def __init__(self, started: Mapping[str, Any] | None = None) -> None:
        started = started or {}
        self.reports = 0
        total_steps = started.get("total_steps")
        self._total_steps = total_steps if type(total_steps) is int else math.inf
        self.has_penalty = any(map(_is_penalty, started.items()))
        self.step: int | None = None
        self.nonfinite: dict[str, float] = {}
        self.completed: set[str] = set()
        self.functions: list[str] = []
        self.strides: deque[int] = deque(maxlen=_STRIDES)
        self._series: dict[str, Series] = {}
        self._names: dict[str, str] = {}
        self._plans: dict[tuple[str, tuple[str, ...]], _Plan] = {}
        self._last_tokens = math.nan
        self._report_step: int | None = None
        self._report_types: set[Any] = set()
        self._of_trainer: set[str] = set()

    def __getitem__(self, metric: str) -> Series:
        """Return the series of a metric, which is empty if it was never reported."""
        return self._series.get(metric, _EMPTY)

    def __contains__(self, metric: str) -> bool:
        return self[metric].count > 0

    @property
    def stride(self) -> int:
        """Steps from one report to the next, at least 1: `logging_steps` of TRL.

        This is the median of the last strides, so that gaps and resets don't change it.
        """
        return max(1, sorted(self.strides)[len(self.strides) // 2]) if self.strides else 1

    @property
    def is_ending(self) -> bool:
        """Whether the training is nearly over.

        It is if 90% of its steps are made, its learning rate has decayed to a tenth, or it is
        finished.
        """
        rates = self["learning_rate"]
        is_decayed = rates.last < _DECAYED * rates.highest
        return is_decayed or (self.step or 0) >= (1 - _DECAYED) * self._total_steps

    @property
    def is_rounded(self) -> bool:
        """Whether none of the last numbers has more than four decimals, as in the log of a console.

        Then a small number is reported as zero.
        """
        tails = (self[metric].tail for metric in self._names)
        return all(value == round(value, _CONSOLE_DECIMALS) for tail in tails for value in tail)

    def finish(self) -> None:
        """Note that the training has made all of its steps."""
        self._total_steps = self.step or 0

    def metrics(self, prefix: str) -> list[str]:
        """Return the metrics whose names begin with a prefix."""
        return [metric for metric in self._series if metric.startswith(prefix)]

    def name(self, metric: str) -> str:
        """Return the name under which the trainer reports a metric."""
        return self._names.get(metric, metric)

    def metric_of(self, name: str | None) -> str | None:
        """Return the metric that a finding names; None if there is none.

        A finding has the trainer's name, or logflume's if the metric is derived.
        """
        reported = (ours for ours, theirs in self._names.items() if theirs == name)
        return next(reported, name if name in self._series else None)

    def add_report(self, event: Mapping[str, Any]) -> frozenset[str]:
        """Add the metrics of a `training` or `reward` event; return their names.

        Events of different types and the same step are one report.
        """
        is_trainer = event["event"] == "training"
        find = _report_metric if is_trainer else self._reward_metric
        plan = self._plan(event, find.__name__, find)
        if not plan.fields:
            return plan.metrics
        self._begin(event)
        if not plan.metrics <= _SHARES:
            self._count_report(event["event"])
        self._read(event, plan)
        if "step_time" in plan.metrics:
            self._derive_seconds_per_token()
        # Where all groups of a report have no spread, the share is 1, else 0 at least.
        if plan.lacks_equal and _EQUAL not in self._names:
            self._append(_EQUAL, float(self[_SPREAD].last == 0.0))
        return plan.metrics

    def is_of_trainer(self, metric: str) -> bool:
        """Whether `training` events report a metric; for reward functions, whether they do any."""
        return _family(metric) in self._of_trainer

    def _note_trainer(self, plan: _Plan) -> None:
        reported = {_family(metric) for _, metric, _ in plan.fields}
        if not reported <= self._of_trainer:
            self._of_trainer |= reported
            self._plans.clear()

    def _reward_metric(self, name: str) -> _Found:
        return [found for found in _report_metric(name) if not self.is_of_trainer(found[0])]

    def _count_report(self, event_type: Any) -> None:
        before, step = self._report_step, self.step
        if step is not None and step == before and event_type not in self._report_types:
            self._report_types.add(event_type)
            return
        self.reports += 1
        self._report_step, self._report_types = step, {event_type}
        if step is not None and before is not None and step > before:
            self.strides.append(step - before)

    def add_shares(self, event: Mapping[str, Any]) -> frozenset[str]:
        """Add the shares of completions in a `generation` event; return their names."""
        plan = self._plan(event, "shares", _share_metric)
        self._begin(event)
        self._read(event, plan)
        return plan.metrics

    def add_evaluation(
        self, event: Mapping[str, Any], *, is_prefixed: bool = False
    ) -> frozenset[str]:
        """Add the metrics of an evaluation, as `eval/<metric>`; return their names.

        Args:
            event: The event.
            is_prefixed: Whether to read only metrics with the prefix of an evaluation, because
                some trainers report them with those of training.
        """
        find = _prefixed_evaluation_metric if is_prefixed else _evaluation_metric
        plan = self._plan(event, find.__name__, find)
        if plan.fields:
            self._begin(event)
            self._read(event, plan)
        return plan.metrics

    def add_sample(self, event: Mapping[str, Any]) -> frozenset[str]:
        """Add the metrics of the machine in an event; return their names."""
        plan = self._plan(event, "sample", _machine_metric)
        if plan.fields:
            self._begin(event)
            self._read(event, plan)
        return plan.metrics

    def add_values(self, values: Mapping[str, float]) -> frozenset[str]:
        """Add metrics that were computed, such as those of a batch of completions."""
        self.completed.clear()
        self.nonfinite.clear()
        for metric, value in values.items():
            self._append(metric, value)
        return frozenset(values)

    def _begin(self, event: Mapping[str, Any]) -> None:
        step = event.get("step")
        self.step = step if type(step) is int else None
        self.completed.clear()
        self.nonfinite.clear()

    def _plan(self, event: Mapping[str, Any], kind: str, find: Any) -> _Plan:
        key = (kind, tuple(event))
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            plan = self._make_plan(event, find)
            if find is _report_metric:
                self._note_trainer(plan)
            self._plans[key] = plan
        return plan

    def _make_plan(self, names: Iterable[str], find: Any) -> _Plan:
        chosen: dict[str, tuple[int, str]] = {}
        for name in names:
            for metric, preference in find(name):
                if metric not in chosen or preference < chosen[metric][0]:
                    chosen[metric] = (preference, name)
        fields = []
        for metric, (_, name) in chosen.items():
            if self._accepts(metric):
                self._names.setdefault(metric, name)
                fields.append((name, metric, self._series.setdefault(metric, Series())))
        metrics = frozenset(metric for _, metric, _ in fields)
        if lacks_equal := _SPREAD in metrics and _EQUAL not in metrics:
            metrics |= {_EQUAL}
        return _Plan(tuple(fields), metrics, lacks_equal)

    def _accepts(self, metric: str) -> bool:
        """Whether there is room for a metric: a program may report ten thousand of them."""
        if metric.startswith("rewards/"):
            function, _, statistic = metric.removeprefix("rewards/").rpartition("/")
            if function not in self.functions:
                if len(self.functions) >= _MAX_FUNCTIONS or statistic != "mean":
                    return False
                self.functions.append(function)
        return metric in self._series or len(self._series) < _MAX_SERIES

    def _read(self, event: Mapping[str, Any], plan: _Plan) -> None:
        report, completed = self.reports, self.completed
        for name, metric, series in plan.fields:
            value = event[name]
            if type(value) is not float:
                if type(value) is not int or not -_MAX_MAGNITUDE < value < _MAX_MAGNITUDE:
                    continue
                value = float(value)
            if -_MAX_MAGNITUDE < value < _MAX_MAGNITUDE:
                if series.append(value, report):
                    completed.add(metric)
            elif not math.isfinite(value):
                self.nonfinite[metric] = value

    def _append(self, metric: str, value: float) -> None:
        series = self._series.get(metric)
        if series is None:
            if len(self._series) >= _MAX_SERIES:
                return
            series = self._series[metric] = Series()
        if -_MAX_MAGNITUDE < value < _MAX_MAGNITUDE and series.append(value, self.reports):
            self.completed.add(metric)

    def _derive_seconds_per_token(self) -> None:
        """Divide the duration of the step by the tokens of the step, where both are known."""
        total = self["num_tokens"].last
        tokens, self._last_tokens = total - self._last_tokens, total
        if "num_tokens" not in self:
            tokens = self["tokens_per_step"].last
        seconds = self["step_time"].last
        if tokens > 0 and seconds > 0:
            self._append(SECONDS_PER_TOKEN, seconds / tokens)


def _family(metric: str) -> str:
    return _FUNCTIONS if metric.startswith(_FUNCTIONS) else metric


def _is_penalty(field: tuple[str, Any]) -> bool:
    name, value = field
    is_number = type(value) in (int, float) and value > 0
    return is_number and _COEFFICIENT.fullmatch(name) is not None


def _report_metric(name: str) -> _Found:
    return [found] if (found := find_metric(name)) is not None else []


def _share_metric(name: str) -> _Found:
    return [found for found in _report_metric(name) if found[0] in _SHARES]


def _evaluation_metric(name: str) -> _Found:
    scored = next((match for score in _SCORES if (match := score.fullmatch(name))), None)
    if scored is not None:
        groups = scored.groupdict()
        metric = "eval/reward" if groups.get("reward") else "eval/accuracy"
        names = [metric, f"{metric}/{groups['data']}"] if groups.get("data") else [metric]
        return [(one, _LEAST_PREFERRED) for one in names]
    found = _report_metric(name.removeprefix("eval_").removeprefix("eval/").removeprefix("val/"))
    return [(f"eval/{metric}", order) for metric, order in found if metric in _EVALUATED]


def _prefixed_evaluation_metric(name: str) -> _Found:
    return _evaluation_metric(name) if name.startswith(_EVALUATION_PREFIXES) else []


def _machine_metric(name: str) -> _Found:
    is_machine = name in _MACHINE_NAMES or (
        name.startswith(_MACHINE_PREFIXES) and name.endswith(_MACHINE_SUFFIXES)
    )
    return [(f"machine/{name}", 0)] if is_machine else []


_EMPTY = Series()
