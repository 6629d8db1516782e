"""Collects the events of a training step, so that the console has one line for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from logflume.protocols import Event
from logflume.values.aggregates import aggregate

__all__ = ["STEP_EVENTS", "CollectedStep", "StepCollector"]

STEP_EVENTS = frozenset({"training", "evaluation", "reward"})
"""The event types whose metrics make up the line of a step."""

MAX_EVENTS = 256
"""Events kept of one type and step; the latest, if there are more."""

_NEXT_STEP = ""
"""Stands for the last type of a step that only the next step ends."""


class CollectedStep:
    """What was logged for a step.

    Args:
        step: The step; None for events without one.
        is_eval: Whether its mode is `eval`.

    Attributes:
        step, is_eval: As given.
        last_type: The type of the latest event.
        timestamp: The time of the latest event, RFC 3339.
    """

    def __init__(self, step: Any, is_eval: bool) -> None:
        self.step = step
        self.is_eval = is_eval
        self.last_type = self.timestamp = ""
        self._events: dict[str, list[Event]] = {}

    @property
    def types(self) -> set[str]:
        """The types of its events."""
        return set(self._events)

    def add(self, event: Event) -> None:
        """Add an event."""
        self.last_type, self.timestamp = event["event"], event["timestamp"]
        events = self._events.setdefault(self.last_type, [])
        events.append(event)
        del events[:-MAX_EVENTS]

    def values(self) -> dict[str, Any]:
        """Return the fields of all events, with several values of a field aggregated.

        If a `reward` event and another one have the same field, the other one's counts.
        """
        found: dict[str, Any] = {}
        for event_type in sorted(self._events, key=lambda name: name != "reward"):
            found |= _aggregate(event_type, self._events[event_type])
        return found


def _aggregate(event_type: str, events: Sequence[Event]) -> Mapping[str, Any]:
    if len(events) == 1:
        return events[0]
    found = {name: value for event in events for name, value in event.items()}
    for name, value in found.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool) and name != "step":
            numbers = [e for e in events if isinstance(e.get(name), (int, float))]
            found[name] = aggregate(event_type, name, numbers)
    return found


class StepCollector:
    """Yields each step once it is complete.

    A plain training loop may log the rewards and the metrics of a step with two calls, in any
    order. The first step shows which type comes last, and from then on this type completes a step.
    Until it is known, and if a type occurs several times, a step is complete when the next one
    begins. `flush` yields a step only if the last type isn't known.

    The `evaluation` and `reward` events of an evaluation, in any order, are complete at the next
    `evaluation`, when the training goes on, or at `flush`.

    A trainer reports its rewards itself, so a step without a `training` event is not yielded.
    """

    def __init__(self) -> None:
        self._open: dict[bool, CollectedStep] = {}
        self._ends_with: dict[bool, str] = {}
        self._yielded: dict[bool, CollectedStep] = {}
        self._has_trainer = False

    def note_trainer(self) -> None:
        """Note that a trainer reports the metrics of a step, in one event that comes last."""
        self._has_trainer = True
        self._ends_with = {False: "training", True: "evaluation"}

    def add(self, event: Event) -> Iterator[CollectedStep]:
        """Add an event of `STEP_EVENTS`, and yield the steps that are complete."""
        step, event_type = event["step"], event["event"]
        is_eval = event.get("mode") == "eval"
        if is_eval and False in self._open and False not in self._ends_with:
            yield from self._end(False)  # the evaluated step comes first
        if not is_eval and True in self._open and True not in self._ends_with:
            yield from self._end(True)
        current = self._open.get(is_eval)
        is_next = event_type == "evaluation" and current is not None and event_type in current.types
        if current is not None and (current.step != step or is_next):
            if not is_eval:
                self._ends_with.setdefault(is_eval, current.last_type)
            yield from self._end(is_eval)
            current = None
        if current is None:
            current = self._open[is_eval] = CollectedStep(step, is_eval)
            self._learn(current, event_type)
        current.add(event)
        if step is None or event_type == self._ends_with.get(is_eval):
            yield from self._end(is_eval)

    def flush(self) -> Iterator[CollectedStep]:
        """Yield the steps whose last type isn't known."""
        for is_eval in sorted(self._open):
            if is_eval not in self._ends_with:
                yield from self._end(is_eval)

    def close(self) -> Iterator[CollectedStep]:
        """Yield all remaining steps."""
        for is_eval in sorted(self._open):
            yield from self._end(is_eval)

    def _learn(self, current: CollectedStep, event_type: str) -> None:
        """Learn the last type from an event of a step that was yielded before."""
        earlier = self._yielded.get(current.is_eval)
        if self._has_trainer or current.is_eval:
            return
        if earlier is None or earlier.step != current.step:
            return
        is_repeated = event_type in earlier.types
        self._ends_with[current.is_eval] = _NEXT_STEP if is_repeated else event_type

    def _end(self, is_eval: bool) -> Iterator[CollectedStep]:
        step = self._yielded[is_eval] = self._open.pop(is_eval)
        if not (self._has_trainer and step.types == {"reward"}):
            yield step
