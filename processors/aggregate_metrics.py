"""Replaces the metrics of every step by their means over a window of steps."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import structlog

from logflume.config.model import MetricsConfig
from logflume.protocols import EventDict
from logflume.values.declared import declared_kind
from logflume.values.kinds import Kind
from logflume.values.mean_window import MeanWindow

__all__ = ["AggregateMetrics"]

_LAST_VALUE_FIELDS = frozenset({"timestamp", "level", "logger", "event", "step", "mode"})


class AggregateMetrics:
    """A processor that merges the metrics of `every_steps` steps into one event with their means.

    Each combination of logger, event type and mode has its own window. Events that already hold the
    means of a window (from `OptimizedLoggingCallback`) pass unchanged. A field that is not a number
    keeps its last value, and so do counters, the epoch and the learning rate. The mean of a field
    that is declared as an integer (`gpu/0/memory_used_bytes`) is rounded. The merged event has the
    step and time of the last event in the window, and `window_steps`, the number of steps.
    Incomplete windows are logged at the end of the run.

    Args:
        every_steps: Length of the window; None uses `metrics.logging_frequency`.
        events: Event types to aggregate; others pass unchanged.
        metrics: The section `metrics` of the configuration.
    """

    detachable = True

    def __init__(
        self,
        *,
        every_steps: int | None = None,
        events: list[str] | None = None,
        metrics: MetricsConfig | None = None,
    ) -> None:
        self._every_steps = every_steps or (metrics or MetricsConfig()).logging_frequency
        self._events = frozenset(["training", "metrics"] if events is None else events)
        # With a window of one step, every event passes unchanged.
        self.event_types = self._events if self._every_steps != 1 else frozenset()
        self._windows: dict[tuple[Any, ...], MeanWindow] = {}

    def __call__(self, _logger: Any, _method_name: str, event_dict: EventDict) -> EventDict:
        """Return the means if the event completes its window.

        Raises:
            structlog.DropEvent: The event was added to an incomplete window.
        """
        is_aggregated = event_dict.get("event") in self._events
        if self._every_steps == 1 or not is_aggregated or "window_steps" in event_dict:
            return event_dict
        key = (event_dict.get("logger"), event_dict.get("event"), event_dict.get("mode"))
        if (window := self._windows.get(key)) is None:
            event_type = str(event_dict["event"])
            window = MeanWindow(self._every_steps, event_type, _LAST_VALUE_FIELDS)
            self._windows[key] = window
        step = event_dict.get("step")
        means = window.add(step if isinstance(step, int) else None, event_dict)
        if means is None:
            raise structlog.DropEvent
        return _round_integers(means)

    def close(self) -> Iterable[EventDict]:
        """Return the means of the incomplete windows."""
        remaining = [window.take() for window in self._windows.values()]
        return [_round_integers(means) for means in remaining if means is not None]


def _round_integers(means: dict[str, Any]) -> dict[str, Any]:
    event_type = str(means["event"])
    return {
        name: round(value) if _is_declared_integer(event_type, name, value) else value
        for name, value in means.items()
    }


def _is_declared_integer(event_type: str, name: str, value: Any) -> bool:
    return (
        isinstance(value, float)
        and math.isfinite(value)
        and declared_kind(event_type, name) is Kind.INTEGER
    )
