"""Means of metrics over a window of steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from logflume.values.aggregates import aggregate_of

__all__ = ["MeanWindow"]


class MeanWindow:
    """Averages the numeric fields of several events.

    A field whose aggregate is `last`, such as a counter or the epoch, keeps its last value.

    Args:
        every_steps: Length of the window in steps. A window ends at each multiple of this number,
            so that the windows of all ranks and attempts coincide, or at the first step beyond
            one. Without steps, it ends after this number of events.
        event_type: The type of the events, which declares the aggregates of its fields.
        last_value_fields: Names of further fields that keep their last value instead of a mean.
    """

    def __init__(
        self,
        every_steps: int,
        event_type: str,
        last_value_fields: frozenset[str] = frozenset(),
    ) -> None:
        self._every_steps = every_steps
        self._event_type = event_type
        self._last_value_fields = last_value_fields
        self._end: int | None = None
        self._clear()

    def add(self, step: int | None, fields: Mapping[str, Any]) -> dict[str, Any] | None:
        """Add the fields of an event; return the window's means if it ends here, else None."""
        if step is not None and self._end is None:
            self._end = -(-step // self._every_steps) * self._every_steps
        self._events += 1
        self._steps.add(step)
        self._last.update(fields)
        for name, value in fields.items():
            if self._has_mean(name) and _is_number(value):
                self._sums[name] = self._sums.get(name, 0.0) + value
                self._counts[name] = self._counts.get(name, 0) + 1
        return self.take() if self._ends_at(step) else None

    def take(self) -> dict[str, Any] | None:
        """Return the means and `window_steps`, and clear the window; None if it is empty.

        A mean is over the events that have the field. A field that is not numeric keeps its last
        value.
        """
        if not self._events:
            return None
        means = {name: total / self._counts[name] for name, total in self._sums.items()}
        result = {**self._last, **means, "window_steps": len(self._steps)}
        self._clear()
        return result

    def _has_mean(self, name: str) -> bool:
        if name in self._last_value_fields:
            return False
        return aggregate_of(self._event_type, name) != "last"

    def _ends_at(self, step: int | None) -> bool:
        if step is None or step <= 0 or self._end is None:
            return self._events >= self._every_steps
        return not self._end - self._every_steps < step < self._end

    def _clear(self) -> None:
        self._events = 0
        self._end = None
        self._steps: set[int | None] = set()
        self._last: dict[str, Any] = {}
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}


def _is_number(value: Any) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < 2**1023  # the range of a float
    return isinstance(value, float)
