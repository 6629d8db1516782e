"""The mean of metrics over a window of steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["MeanWindow"]


class MeanWindow:
    """Adds up the numbers of several events and gives their means.

    Args:
        every_steps: Length of the window in steps. A window ends at the steps that are multiples
            of it, so that windows of several ranks and attempts are the same, and at the first
            step beyond; without steps it ends after so many events.
        kept: Names of fields whose last value is kept, numbers or not.
    """

    def __init__(self, every_steps: int, kept: frozenset[str] = frozenset()) -> None:
        self._every_steps = every_steps
        self._kept = kept
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
            if name not in self._kept and _is_number(value):
                self._sums[name] = self._sums.get(name, 0.0) + value
                self._counts[name] = self._counts.get(name, 0) + 1
        return self.take() if self._ends_at(step) else None

    def take(self) -> dict[str, Any] | None:
        """Return the means of what is in the window and `window_steps`; None if it is empty.

        A field that is no number has its last value; a mean is over the events that have the field.
        """
        if not self._events:
            return None
        means = {name: total / self._counts[name] for name, total in self._sums.items()}
        result = {**self._last, **means, "window_steps": len(self._steps)}
        self._clear()
        return result

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
        return not isinstance(value, bool) and abs(value) < 2**1023  # what a float can hold
    return isinstance(value, float)
