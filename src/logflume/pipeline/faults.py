"""How the pipeline says that a part of it is broken: with an event, like everything else."""

from __future__ import annotations

import time

from logflume.pipeline.buffer import RecordSource
from logflume.pipeline.records import Record

__all__ = ["report_fault"]

_MESSAGES = {
    "failed": "{component} failed: {reason}. The training and the other outputs go on.",
    "recovered": "{component} recovered: {reason}.",
}


def report_fault(source: RecordSource, component: str, status: str, reason: str) -> None:
    """Log a `pipeline` event on a fault or a recovery. Safe from any thread of ours.

    Args:
        source: The process's channels.
        component: Name of the sink or processor in the configuration.
        status: `failed` or `recovered`.
        reason: What went wrong.
    """
    fields = {
        "status": status,
        "component": component,
        "reason": reason,
        "message": _MESSAGES[status].format(component=component, reason=reason),
    }
    level = "error" if status == "failed" else "info"
    source.buffer.put(
        Record(time.time_ns(), "system", level, "pipeline", {}, fields, source.position)
    )
    source.buffer.wake.set()
