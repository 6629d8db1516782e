"""Logs the mean over a window of steps in place of every step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import structlog

from logflume.config.model import MetricsConfig
from logflume.protocols import EventDict
from logflume.values.kinds import Kind, declared_kind
from logflume.values.mean_window import MeanWindow

__all__ = ["AggregateMetrics"]

_KEPT = frozenset({"timestamp", "level", "logger", "event", "step", "mode"})


class AggregateMetrics:
    """A processor that turns the metrics of `every_steps` steps into one event with their means.

    The means are by logger, type and mode. Means of a window (`OptimizedLoggingCallback` logs
    them) pass. A field that is no number keeps its last value; one that its type declares as an
    integer (`gpu/0/memory_used_bytes`) has its mean rounded.
    The event has the step and time of the last one, and `window_steps`, the steps it stands for.
    What an unfinished window holds comes out at the end of the run.

    Args:
        every_steps: Length of the window; None takes `metrics.logging_frequency`.
        events: The event types that are aggregated; others pass.
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
        # A window of one step changes nothing.
        self.event_types = self._events if self._every_steps != 1 else frozenset()
        self._windows: dict[tuple[Any, ...], MeanWindow] = {}

    def __call__(self, _logger: Any, _method_name: str, event_dict: EventDict) -> EventDict:
        """Return the means when the window is full.

        Raises:
            structlog.DropEvent: The event went into a window that isn't full yet.
        """
        is_wanted = event_dict.get("event") in self._events
        if self._every_steps == 1 or not is_wanted or "window_steps" in event_dict:
            return event_dict
        key = (event_dict.get("logger"), event_dict.get("event"), event_dict.get("mode"))
        window = self._windows.setdefault(key, MeanWindow(self._every_steps, _KEPT))
        step = event_dict.get("step")
        means = window.add(step if isinstance(step, int) else None, event_dict)
        if means is None:
            raise structlog.DropEvent
        return _round_integers(means)

    def close(self) -> Iterable[EventDict]:
        """Return the means of the windows that are not full."""
        held = [window.take() for window in self._windows.values()]
        return [_round_integers(means) for means in held if means is not None]


def _round_integers(means: dict[str, Any]) -> dict[str, Any]:
    event_type = str(means["event"])
    return {
        name: round(value) if _must_be_whole(event_type, name, value) else value
        for name, value in means.items()
    }


def _must_be_whole(event_type: str, name: str, value: Any) -> bool:
    return (
        isinstance(value, float)
        and math.isfinite(value)
        and declared_kind(event_type, name) is Kind.INTEGER
    )
