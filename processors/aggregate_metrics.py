"""Logs the mean over a window of steps in place of every step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import structlog

from logflume.config.model import MetricsConfig
from logflume.protocols import EventDict

__all__ = ["AggregateMetrics"]

_KEPT = frozenset({"timestamp", "level", "logger", "event", "step", "mode"})


class AggregateMetrics:
    """A processor that turns the metrics of `every_steps` steps into one event with their means.

    The means are by logger, type and mode. A field that is no number keeps its last value.
    The event has the step and time of the last one, and `window_steps`, the steps it stands for.
    What an unfinished window holds comes out at the end of the run.

    Args:
        every_steps: Length of the window; None takes `metrics.logging_frequency`.
        events: The event types that are aggregated; others pass.
        metrics: The section `metrics` of the configuration.
    """

    def __init__(
        self,
        *,
        every_steps: int | None = None,
        events: list[str] | None = None,
        metrics: MetricsConfig | None = None,
    ) -> None:
        self._every_steps = every_steps or (metrics or MetricsConfig()).logging_frequency
        self._events = frozenset(["training", "metrics"] if events is None else events)
        self._windows: dict[tuple[Any, ...], _Window] = {}

    def __call__(self, _logger: Any, _method_name: str, event_dict: EventDict) -> EventDict:
        """Return the means when the window is full.

        Raises:
            structlog.DropEvent: The event went into a window that isn't full yet.
        """
        if self._every_steps == 1 or event_dict.get("event") not in self._events:
            return event_dict
        key = (event_dict.get("logger"), event_dict.get("event"), event_dict.get("mode"))
        window = self._windows.setdefault(key, _Window())
        window.add(event_dict)
        if window.is_full(self._every_steps):
            return self._windows.pop(key).mean()
        raise structlog.DropEvent

    def close(self) -> Iterable[EventDict]:
        """Return the means of the windows that are not full."""
        windows, self._windows = self._windows, {}
        return [window.mean() for window in windows.values()]


class _Window:
    def __init__(self) -> None:
        self._last: EventDict = {}
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._steps: set[Any] = set()
        self._events = 0

    def add(self, event_dict: EventDict) -> None:
        self._last = {**self._last, **event_dict}
        self._events += 1
        self._steps.add(event_dict.get("step"))
        for name, value in event_dict.items():
            if name not in _KEPT and _is_number(value):
                self._sums[name] = self._sums.get(name, 0.0) + value
                self._counts[name] = self._counts.get(name, 0) + 1

    def is_full(self, every_steps: int) -> bool:
        """Whether its last step is a multiple of the length; without steps, whether it has so many events."""
        step = self._last.get("step")
        if isinstance(step, int) and step > 0:
            return step % every_steps == 0
        return self._events >= every_steps

    def mean(self) -> EventDict:
        means = {name: total / self._counts[name] for name, total in self._sums.items()}
        return {**self._last, **means, "window_steps": len(self._steps)}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)

