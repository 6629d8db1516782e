"""What reward functions log with `log_extra` and `log_metric`, which TRL passes to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from logflume.guard import Failure, call_guarded
from logflume.training.function_names import numbered
from logflume.training.images import copy_messages
from logflume.values.plain import plain
from logflume.values.snapshot import key_text, snapshot

__all__ = [
    "LogExtra",
    "LogMetric",
    "LoggedColumns",
    "listen",
    "listeners",
    "logged_columns",
    "mean_metrics",
]


class _Listener:
    """Replaces a logging function among the arguments of a reward function, and keeps the values.

    Args:
        original: The trainer's own function, which is called with the same arguments.

    Attributes:
        columns: The logged values, by their name.
    """

    def __init__(self, original: Any) -> None:
        self._original = original
        self.columns: dict[str, list[Any]] = {}

    def _values_of(self, name: str) -> list[Any]:
        return self.columns.setdefault(key_text(name), [])


class LogExtra(_Listener):
    """Replaces `log_extra` in one call of a reward function."""

    def __call__(self, column: str, values: Any) -> Any:
        """Log a column of one value for each completion."""
        if not isinstance(values, Sequence) and isinstance(values, Iterable):
            values = list(values)  # a generator can be consumed only once
        call_guarded(self._keep, column, values)
        return self._original(column, values)

    def _keep(self, column: str, values: Any) -> None:
        self._values_of(column).extend(map(copy_messages, values))


class LogMetric(_Listener):
    """Replaces `log_metric` in one call of a reward function."""

    def __call__(self, name: str, value: Any) -> Any:
        """Log one value of a metric, of which the trainer reports the mean."""
        call_guarded(self._keep, name, value)
        return self._original(name, value)

    def _keep(self, name: str, value: Any) -> None:
        self._values_of(name).append(snapshot(value))


_LISTENERS = {"log_extra": LogExtra, "log_metric": LogMetric}


def listen(call: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a reward function, with its logging functions replaced."""
    found = {
        name: kind(call[name]) for name, kind in _LISTENERS.items() if callable(call.get(name))
    }
    return {**call, **found} if found else call


def listeners(call: Mapping[str, Any]) -> list[LogExtra | LogMetric]:
    """Return the replaced logging functions among the arguments of a reward function."""
    found = map(call.get, _LISTENERS)
    return [one for one in found if isinstance(one, (LogExtra, LogMetric))]


class LoggedColumns(NamedTuple):
    """What the reward functions logged about a batch.

    Attributes:
        columns: By name, one value for each completion.
        metrics: By name, the values of metrics that have another number of values.
        problems: What is wrong with columns that don't have a value for each completion.
    """

    columns: dict[str, list[Any]]
    metrics: dict[str, list[Any]]
    problems: list[str]


def logged_columns(calls: Iterable[LogExtra | LogMetric], rows: int) -> LoggedColumns:
    """Return what the reward functions logged about a batch.

    A metric that a function logs once for each completion, in order, is a column.

    Args:
        calls: What each reward function logged. If two log a column of one name, the name of the
            second gets a number.
        rows: The number of completions.
    """
    logged = LoggedColumns({}, {}, [])
    for call in calls:
        for name, values in call.columns.items():
            if len(values) == rows:
                logged.columns[numbered(name, logged.columns)] = values
            elif isinstance(call, LogMetric):
                logged.metrics.setdefault(name, []).extend(values)
            else:
                logged.problems.append(
                    f"log_extra({name!r}): {len(values)} values for {rows} completions"
                )
    return logged


def mean_metrics(metrics: Mapping[str, Sequence[Any]]) -> dict[str, float]:
    """Return the mean of each metric, as the trainer reports it; of numbers only."""
    means = {name: call_guarded(_mean, values) for name, values in metrics.items()}
    return {name: mean for name, mean in means.items() if not isinstance(mean, Failure)}


def _mean(values: Sequence[Any]) -> float:
    return sum(map(float, plain(values))) / len(values)
