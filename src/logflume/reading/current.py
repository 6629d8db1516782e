"""The current view of a run that was continued: of what was logged twice, the latest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["current_events"]

_OF_THE_ATTEMPT = frozenset({"run_started", "run_finished", "pipeline", "exception"})
"""Types that tell of an attempt, and not of a step: those of every attempt stay."""


def current_events(events: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the events of the latest attempt of each step, by type and mode.

    After a continued run has gone back to a checkpoint it logs some steps again. Events without
    a step stay, and so do those of steps that were not logged again.

    Args:
        events: All events; it is gone through twice, so it is no iterator.
    """
    latest: dict[tuple[Any, ...], int] = {}
    for event in events:
        if (place := _place(event)) is not None:
            latest[place] = max(latest.get(place, 0), event.get("attempt", 0))
    for event in events:
        place = _place(event)
        # A run that is being written may have gone on since the first time through.
        if place is None or event.get("attempt", 0) >= latest.get(place, 0):
            yield event


def _place(event: Mapping[str, Any]) -> tuple[Any, ...] | None:
    if event.get("step") is None or event["event"] in _OF_THE_ATTEMPT:
        return None
    return event["event"], event.get("mode"), event["step"]
