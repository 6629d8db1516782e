"""Merges the events of one step into one point, in a table of the events of one type."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logflume.values.aggregates import TRAINING, aggregate

__all__ = ["find_restarts", "merge_events"]

_OF_START = ["run", "attempt", "timestamp", "logger", "step"]


def find_restarts(read: Callable[..., pa.Table]) -> list[dict[str, Any]]:
    """Return the `run_started` of each training but the first one of an attempt.

    Several trainings within an attempt log the same steps: that of another trainer, or another
    call of `train()`. A trainer's `run_started` has the logger `training` and a step, in contrast
    to that of the pipeline or of an import.

    Args:
        read: Returns the events of a type, with some of their columns.
    """
    events = read("run_started", columns=_OF_START, steps=None)
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
) -> pa.Table:
    """Return one row for each step: its last event, with the aggregate of each metric.

    Events without a step are kept as they are.

    Args:
        event_type: The type of the events.
        events: The events, with all columns that the aggregates depend on.
        keys: The columns that are equal in the events of one point, among them `step`.
        metrics: The columns to aggregate, which become numbers (float64).
        restarts: Returns the result of `find_restarts`, if it is needed. Of several trainings, the
            latest one that has a value counts.
    """
    groups = _number_groups(events, keys)
    sizes = np.bincount(groups)
    last = np.zeros(len(sizes), dtype=np.int64)
    last[groups] = np.arange(len(groups))  # of equal indices, numpy keeps the last
    order = np.argsort(last)
    points = events.take(last[order])
    for name in metrics:
        points = _replace(points, name, points[name].cast(pa.float64(), safe=False))
    if not (sizes > 1).any():
        return points
    rows = np.flatnonzero(sizes[groups] > 1)
    several = _number_trainings(_without_lists(events.take(rows)), restarts()).to_pylist()
    by_group: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for group, event in zip(groups[rows].tolist(), several, strict=True):
        by_group[group].append(event)
    is_merged = pa.array(sizes[order] > 1)
    of_points = [by_group[group] for group in order.tolist() if group in by_group]
    for name in metrics:
        values = [aggregate(event_type, name, events_of) for events_of in of_points]
        merged = pa.array(values, pa.float64())
        points = _replace(points, name, pc.replace_with_mask(points[name], is_merged, merged))
    return points


def _number_groups(events: pa.Table, keys: Sequence[str]) -> Any:
    """Return the number of each event's group; each event without a step is one of its own."""
    groups = np.zeros(len(events), dtype=np.int64)
    for key in keys:
        encoded: Any = events[key].combine_chunks().dictionary_encode(null_encoding="encode")
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        numbers = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        _, groups = np.unique(groups * (len(encoded.dictionary) + 1) + numbers, return_inverse=True)
    without_step = pc.is_null(events["step"]).to_numpy(zero_copy_only=False)
    groups[without_step] = len(groups) + np.arange(without_step.sum())
    return np.unique(groups, return_inverse=True)[1]


def _number_trainings(events: pa.Table, restarts: list[dict[str, Any]]) -> pa.Table:
    """Add the number of the training within its attempt that each event belongs to."""
    if not restarts:
        return events
    numbers = np.zeros(len(events), dtype=np.int64)
    for start in restarts:
        is_of_run = pc.and_(
            pc.equal(events["run"], start["run"]), pc.equal(events["attempt"], start["attempt"])
        )
        is_later = pc.greater_equal(events["timestamp"], pa.scalar(start["timestamp"]))
        numbers += pc.and_(is_of_run, is_later).to_numpy(zero_copy_only=False)
    return events.append_column(TRAINING, pa.array(numbers))


def _without_lists(events: pa.Table) -> pa.Table:
    """Return the events with the lengths of the lists instead of their values.

    The number of groups depends on nothing else, and it takes a fraction of the time.
    """
    for field in events.schema:
        if pa.types.is_list(field.type):
            lengths = pc.list_value_length(events[field.name])
            events = _replace(events, field.name, lengths)
    return events


def _replace(table: pa.Table, name: str, column: Any) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)
