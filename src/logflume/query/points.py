"""Merges the events of one step into one point, in a table of the events of one type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logflume.query.columns import with_columns
from logflume.query.groupings import Array, group_rows
from logflume.query.point_values import PointValues

__all__ = ["find_restarts", "merge_events"]

_OF_START = ["run", "attempt", "timestamp", "logger", "step"]


def find_restarts(read: Callable[..., pa.Table]) -> list[dict[str, Any]]:
    """Return the `run_started` of each training session but the first one of an attempt.

    Several training sessions within an attempt, by another trainer or another call of `train()`,
    log the same steps. A trainer's `run_started` has the logger `training` and a step, unlike that
    of the pipeline or of an import.

    Args:
        read: Returns the events of a type, with some of their columns.
    """
    # The first event of an attempt is the pipeline's own.
    events = read("run_started", columns=_OF_START, steps=None, min_seq=1)
    seen: set[tuple[Any, ...]] = set()
    restarts = []
    for start in events.sort_by("timestamp").to_pylist():
        if start["logger"] != "training" or start["step"] is None:
            continue
        if (key := (start["run"], start["attempt"])) in seen:
            restarts.append(start)
        seen.add(key)
    return restarts


def merge_events(
    event_type: str,
    events: pa.Table,
    keys: Sequence[str],
    metrics: Sequence[str],
    restarts: Callable[[], list[dict[str, Any]]],
    read_lists: Callable[[str, pa.Table], pa.Table],
) -> pa.Table:
    """Return one row for each step: its last event, with the aggregate of each metric.

    Events without a step are kept as they are.

    Args:
        event_type: The type of the events.
        events: The events, with all columns that the aggregates depend on.
        keys: The columns that are equal in the events of one point, among them `step`.
        metrics: The columns to aggregate, which become numbers (float64).
        restarts: Returns the result of `find_restarts`, if it is needed. If there are several
            training sessions, the latest one that has a value counts.
        read_lists: Returns the lists of some events of a type, if they are needed.
    """
    groups = _number_groups(events, keys)
    sizes = np.bincount(groups)
    last = np.zeros(len(sizes), dtype=np.int64)
    last[groups] = np.arange(len(groups))  # of equal indices, numpy keeps the last
    order = np.argsort(last)
    kept = last[order]
    is_each = len(kept) == len(events)  # in order, so that nothing needs to be copied
    points = events if is_each else events.take(kept)
    numbers = {name: points[name].cast(pa.float64(), safe=False) for name in metrics}
    points = with_columns(points, numbers)
    if not (sizes > 1).any():
        return points
    rows = np.flatnonzero(sizes[groups] > 1)
    number = np.cumsum((sizes > 1)[order]) - 1  # of each point among those of several events
    of_group = np.empty(len(sizes), np.int64)
    of_group[order] = number
    several = events.take(rows)
    values = _find_values(event_type, several, of_group[groups[rows]], restarts(), read_lists)
    is_merged = pa.array(sizes[order] > 1)
    merged = {
        name: pc.replace_with_mask(points[name], is_merged, values.aggregate(name))
        for name in metrics
    }
    return with_columns(points, merged)


def _find_values(
    event_type: str,
    events: pa.Table,
    of_event: Array,
    restarts: list[dict[str, Any]],
    read_lists: Callable[[str, pa.Table], pa.Table],
) -> PointValues:
    """Return the values of points of several events, given the number of each event's point.

    Only the latest attempt of each point counts: that of events with and without a mode differs.
    """
    attempts = events["attempt"].to_numpy()
    latest = np.zeros(of_event.max() + 1, np.int64)
    np.maximum.at(latest, of_event, attempts)
    is_latest = attempts == latest[of_event]
    events = events.filter(pa.array(is_latest))
    sessions = _number_sessions(events, restarts)
    return PointValues(event_type, events, of_event[is_latest], sessions, read_lists)


def _number_groups(events: pa.Table, keys: Sequence[str]) -> Array:
    """Return the number of each event's group; each event without a step is a group of its own."""
    groups = group_rows(events, keys).of_row
    without_step = pc.is_null(events["step"]).to_numpy(zero_copy_only=False)
    groups[without_step] = len(groups) + np.arange(without_step.sum())
    return np.unique(groups, return_inverse=True)[1] if without_step.any() else groups


def _number_sessions(events: pa.Table, restarts: list[dict[str, Any]]) -> Array:
    """Return the number, within its attempt, of the training session of each event."""
    numbers = np.zeros(len(events), dtype=np.int64)
    for start in restarts:
        is_of_run = pc.and_(
            pc.equal(events["run"], start["run"]), pc.equal(events["attempt"], start["attempt"])
        )
        is_later = pc.greater_equal(events["timestamp"], pa.scalar(start["timestamp"]))
        numbers += pc.and_(is_of_run, is_later).to_numpy(zero_copy_only=False)
    return numbers
