"""Reports of the pipeline's faults, as events."""

from __future__ import annotations

import time
from typing import Protocol

from logflume.guard import describe, unended
from logflume.pipeline.buffer import RecordSource
from logflume.pipeline.origins import find_origin, format_trace
from logflume.pipeline.records import Record, StepAndMode

__all__ = ["Report", "describe_at", "report_fault"]

_MESSAGES = {
    "failed": "{component} failed: {reason} Training and the other outputs continue.",
    "recovered": "{component} recovered: {reason}",
    "limited": "{component}: {reason}",
}

_LEVELS = {"failed": "error", "recovered": "info", "limited": "warning"}


class Report(Protocol):
    """Reports a fault; see `report_fault`."""

    def __call__(
        self,
        component: str,
        status: str,
        reason: str,
        /,
        *,
        place: StepAndMode | None = None,
        error: BaseException | None = None,
    ) -> None:
        """Report a fault."""


def report_fault(
    source: RecordSource,
    component: str,
    status: str,
    reason: str,
    /,
    *,
    place: StepAndMode | None = None,
    error: BaseException | None = None,
) -> None:
    """Log a `pipeline` event. Safe on any thread of this package.

    Args:
        source: The process's channels.
        component: Name of the sink or processor in the configuration.
        status: `failed`, `recovered`, or `limited` if less is done than was configured.
        reason: What went wrong.
        place: Step and mode of the event that caused it; None: the current ones.
        error: The exception, if there is one. Its traceback is logged if the user's code is in it.
    """
    fields = {
        "status": status,
        "component": component,
        "reason": reason,
        "message": _MESSAGES[status].format(component=component, reason=_sentence(reason)),
    }
    if error is not None and (trace := format_trace(error)) is not None:
        fields["exception/traceback"] = trace
    step, _ = source.step_and_mode if place is None else place
    source.buffer.put(
        Record(
            time.time_ns(),
            "system",
            _LEVELS[status],
            "pipeline",
            {},
            fields,
            (step, None),
        )
    )
    source.buffer.wake.set()


def describe_at(error: BaseException) -> str:
    """Return the type and text of an error, and where the user's code raised it, if it did."""
    origin = find_origin(error)
    return describe(error) if origin is None else f"{unended(describe(error))} ({origin})"


def _sentence(text: str) -> str:
    """Return a text with one mark at its end."""
    return text if text.endswith("?") else f"{unended(text)}."
