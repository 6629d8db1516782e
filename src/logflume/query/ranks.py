"""Compares the ranks at each step: which one is slow, and how much they differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logflume.query.columns import optional
from logflume.query.groupings import group_rows

__all__ = ["read_ranks"]

_TIMES = ("generate_s", "rewards_s", "wait_s", "step_s")
_MEASURES = (*_TIMES, "memory_bytes", "gpu_peak_bytes")
_COLUMNS = ["run", "step", "rank", "host", "local_rank", *_MEASURES]
_FOLDS: dict[str, Callable[[Any], Any]] = {"min": np.min, "median": np.median, "max": np.max}


def read_ranks(read: Callable[..., pa.Table]) -> pa.Table:
    """Return one row for each run and step.

    Args:
        read: Returns the events of a type, with some of their columns.
    """
    # As patterns, because a run of an earlier version has no such events.
    events = read("rank", columns=[optional(name) for name in _COLUMNS])
    events = events.filter(pc.is_valid(events["step"]))
    columns = {
        name: events[name].to_numpy(zero_copy_only=False)
        if name in events.column_names
        else np.full(len(events), None)
        for name in _COLUMNS
    }
    numbers = {name: columns[name].astype(np.float64) for name in _MEASURES}
    # Generation and rewards come before the ranks wait for each other.
    busy = np.nansum([numbers["generate_s"], numbers["rewards_s"]], axis=0)
    busy[np.isnan(numbers["generate_s"]) & np.isnan(numbers["rewards_s"])] = np.nan
    numbers["busy_s"] = busy
    rows = []
    steps = group_rows(events, ["run", "step"])
    keys = steps.take_first(events.select(["run", "step"])).to_pylist()
    for row, group in zip(keys, steps.rows(), strict=True):
        row["ranks"] = len(np.unique(columns["rank"][group]))
        row |= _slowest(columns, busy, group)
        for name in ("busy_s", *_MEASURES):
            present = numbers[name][group]
            present = present[~np.isnan(present)]
            for fold, function in _FOLDS.items():
                row[f"{name}/{fold}"] = float(function(present)) if len(present) else None
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def _slowest(columns: dict[str, Any], busy: Any, group: Any) -> dict[str, Any]:
    if np.isnan(busy[group]).all():
        return {"slowest": None, "slowest_host": None, "slowest_local_rank": None}
    index = group[np.nanargmax(busy[group])]
    host, local_rank = columns["host"][index], columns["local_rank"][index]
    return {
        "slowest": int(columns["rank"][index]),
        "slowest_host": host,
        # A column in which some ranks have none is one of floats here, with NaN.
        "slowest_local_rank": None
        if local_rank is None or np.isnan(local_rank)
        else int(local_rank),
    }


_FIXED: list[tuple[str, Any]] = [
    ("run", pa.string()),
    ("step", pa.int64()),
    ("ranks", pa.int64()),
    ("slowest", pa.int64()),
    ("slowest_host", pa.string()),
    ("slowest_local_rank", pa.int64()),
]
_FOLDED: list[tuple[str, Any]] = [
    (f"{name}/{fold}", pa.float64()) for name in ("busy_s", *_MEASURES) for fold in _FOLDS
]
_SCHEMA = pa.schema([*_FIXED, *_FOLDED])
