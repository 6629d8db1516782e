"""Reports of the pipeline's faults, as events."""

from __future__ import annotations

import time

from logflume.guard import unended
from logflume.pipeline.buffer import RecordSource
from logflume.pipeline.records import Record

__all__ = ["report_fault"]

_MESSAGES = {
    "failed": "{component} failed: {reason}. Training and the other outputs continue.",
    "recovered": "{component} recovered: {reason}.",
    "limited": "{component}: {reason}.",
}

_LEVELS = {"failed": "error", "recovered": "info", "limited": "warning"}


def report_fault(source: RecordSource, component: str, status: str, reason: str) -> None:
    """Log a `pipeline` event. Safe on any thread of this package.

    Args:
        source: The process's channels.
        component: Name of the sink or processor in the configuration.
        status: `failed`, `recovered`, or `limited` if less is done than was configured.
        reason: What went wrong.
    """
    fields = {
        "status": status,
        "component": component,
        "reason": reason,
        "message": _MESSAGES[status].format(component=component, reason=unended(reason)),
    }
    step, _ = source.step_and_mode
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
