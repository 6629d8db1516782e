"""What a step is on the other axes of a curve: the time, and the tokens so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from logflume.query.columns import optional
from logflume.ui.curves import find_curve_types

if TYPE_CHECKING:
    from logflume.query.open_run import Run

__all__ = ["read_axes"]

_MAX_STEPS = 4_000
"""The page interpolates between them."""

_TOKENS = "num_tokens"


def read_axes(run: Run) -> dict[str, list[Any]]:
    """Return some steps of a run, in order, each with its time and its tokens.

    Answers `steps`, `times` in seconds since the epoch, and `tokens`, the trainer's `num_tokens`:
    null where it reported none. Of a run without reports of a trainer, the times are those of the
    first of the other event types with curves.
    """
    table = _read_times(run)
    tokens = _read_tokens(run)
    picked = table.take(pa.array(_spaced(len(table)), pa.int64()))
    steps: Any = picked["step"].to_pylist()
    times: Any = picked["timestamp_max"].to_pylist()
    return {
        "steps": steps,
        "times": [time.timestamp() for time in times],
        "tokens": [tokens.get(step) for step in steps],
    }


def _read_times(run: Run) -> pa.Table:
    """Return each step with the time of its last event, of the first event type that has steps."""
    table = pa.table({"step": pa.array([], pa.int64()), "timestamp_max": pa.array([], pa.int64())})
    for event_type in find_curve_types(run):
        events = run.events(event_type, columns=["step", "timestamp"]).arrow
        events = events.filter(pc.is_valid(events["step"]))
        if len(events):
            table = events.group_by("step").aggregate([("timestamp", "max")])
            break
    return table.sort_by("step")


def _read_tokens(run: Run) -> dict[int, float]:
    table = run.metrics(optional(_TOKENS), events="training").arrow
    table = table.filter(pc.is_valid(table["step"]))
    steps: Any = table["step"].to_pylist()
    values: Any = table["value"].to_pylist()
    return {step: value for step, value in zip(steps, values, strict=True) if value is not None}


def _spaced(count: int) -> list[int]:
    """Return at most `_MAX_STEPS` rows, evenly spaced, with the first and the last one."""
    if count <= _MAX_STEPS:
        return list(range(count))
    return sorted({round(i * (count - 1) / (_MAX_STEPS - 1)) for i in range(_MAX_STEPS)})
