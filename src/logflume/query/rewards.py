"""Queries the reward of each completion by each reward function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from logflume.query.groupings import row_number_in_group
from logflume.query.visits import with_mode

__all__ = ["read_rewards"]

_PREFIX = "rewards/"
_KEYS = ["step", "mode", "generation", "run", "rank", "attempt", "seq"]


def read_rewards(read: Callable[..., pa.Table]) -> pa.Table:
    """Return one row for each completion and function, from the `reward` events.

    Args:
        read: Returns the events of a type, with some of their columns.
    """
    columns = [*_KEYS, "process*", "num_generations", f"{_PREFIX}*"]
    events = with_mode(read("reward", columns=columns))
    lists = [
        f.name for f in events.schema if f.name.startswith(_PREFIX) and pa.types.is_list(f.type)
    ]
    return pa.concat_tables([_of_function(events, name) for name in lists] or [_empty(events)])


def _of_function(events: pa.Table, column: str) -> pa.Table:
    values = events[column].combine_chunks()
    # A null list gives no rows: the function was not called for that batch.
    parents = pc.list_parent_indices(values)
    row = pa.array(row_number_in_group(parents.to_numpy()))
    size: Any = events["num_generations"].combine_chunks().take(parents)
    size = pc.if_else(pc.greater(size, pa.scalar(0)), size, None)
    group = pc.divide(row, size)
    keys = [*_KEYS, *({"process"} & set(events.column_names))]
    rows = events.select(keys).take(parents)
    function = pa.repeat(column.removeprefix(_PREFIX), len(parents)).cast(pa.string())
    rows = rows.add_column(2, "function", function)
    rows = rows.add_column(3, "value", pc.list_flatten(values).cast(pa.float64()))
    rows = rows.add_column(4, "group", group)
    rows = rows.add_column(5, "index", pc.subtract(row, pc.multiply(group, size)))
    return rows.add_column(6, "row", row)


def _empty(events: pa.Table) -> pa.Table:
    lists = pa.nulls(0, pa.list_(pa.float64()))
    return _of_function(events.slice(0, 0).append_column(_PREFIX, lists), _PREFIX)
