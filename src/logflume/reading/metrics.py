"""The numbers of a run by step: in long form, or one column each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from logflume.events import EventBase
from logflume.reading.columns import PATTERN, check
from logflume.values.columns import declared_columns

__all__ = ["read_metrics"]

_PLAIN = ("training", "evaluation")
_KEYS = ["step", "event", "mode", "run", "rank", "attempt", "timestamp"]
_NO_METRIC = frozenset({*declared_columns(EventBase.__name__), "global_step", "generation"})


def read_metrics(
    read: Callable[..., pa.Table],
    types: Sequence[str],
    names: Sequence[str],
    wide_by: Sequence[str] | None,
) -> pa.Table:
    """Return metrics in long or wide form.

    Args:
        read: Returns the events of a type, with some of their columns.
        types: The types of events.
        names: Names and patterns of metrics; none: all.
        wide_by: What names a row in wide form; None: long form.
    """
    columns = [*_KEYS, *map(_as_pattern, names)] if names else None
    tables = [read(event_type, columns=columns) for event_type in types]
    found = {name for table in tables for name in table.column_names}
    if missing := [name for name in names if name not in found and not set(name) & PATTERN]:
        there = {name for event_type in types for name in _find_metrics(read(event_type))}
        check(missing, sorted(there), "', '".join(types))
    return _to_long(tables) if wide_by is None else _to_wide(tables, list(wide_by))


def _as_pattern(name: str) -> str:
    """Return a pattern for a plain name, too: not every type has every metric."""
    return name if set(name) & PATTERN else f"[{name[:1]}]{name[1:]}"


def _find_metrics(events: pa.Table) -> list[str]:
    """Return the columns that are numbers, and no names or places. Empty ones are left out."""
    names = [f.name for f in events.schema if f.name not in _NO_METRIC and _is_number(f.type)]
    return [name for name in names if events[name].null_count < len(events)]


def _to_long(events: Iterable[pa.Table]) -> pa.Table:
    """Return one row for each number: `step`, `name`, `value`, and where it is from."""
    pieces = [_LONG.empty_table()]
    for table in events:
        keys = table.select(_KEYS)
        for name in _find_metrics(table):
            values = table[name].cast(pa.float64())
            piece = keys.append_column("name", pa.repeat(name, len(table)).cast(pa.string()))
            piece = piece.append_column("value", values).filter(pc.is_valid(values))
            pieces.append(piece.select(_LONG.names).cast(_LONG))
    return pa.concat_tables(pieces)


def _to_wide(events: Iterable[pa.Table], keys: list[str]) -> pa.Table:
    """Return one row for each step and mode, with a column for each metric.

    Metrics of `training` and `evaluation` have their own names, those of other types begin with
    it: `reward.rewards/correctness/std`. Where a step has several values of one (several batches,
    ranks, attempts) it is the last. Events without a step have no row.
    """
    modes: Any
    wide = pa.table({name: pa.array([], _LONG.field(name).type) for name in keys})
    for table in events:
        metrics = _find_metrics(table)
        # A join takes no null for another.
        modes = table["mode"]
        table = _replace(table, "mode", pc.fill_null(modes, ""))
        table = table.filter(pc.is_valid(table["step"]))
        rows = table.group_by(keys, use_threads=False).aggregate([(m, "last") for m in metrics])
        if len(rows):
            event_type = table["event"][0].as_py()
            names = [_wide_name(event_type, metric) for metric in metrics]
            wide = _join(wide, rows.rename_columns([*keys, *names]), keys)
    modes = wide["mode"]
    modes = pc.if_else(pc.equal(modes, pa.scalar("")), None, modes)
    order: list[Any] = [(n, "descending" if n == "mode" else "ascending") for n in keys]
    return _replace(wide, "mode", modes).sort_by(order)


def _join(wide: pa.Table, rows: pa.Table, keys: list[str]) -> pa.Table:
    """Return both side by side; a metric that both have is the later one's, where it has it."""
    joined = wide.join(rows, keys, join_type="full outer", right_suffix="/right")
    for name in set(wide.column_names) & set(rows.column_names) - set(keys):
        both = pc.coalesce(joined[f"{name}/right"], joined[name])
        joined = _replace(joined, name, both).drop_columns([f"{name}/right"])
    return joined


def _replace(table: pa.Table, name: str, column: Any) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)


def _wide_name(event_type: str, metric: str) -> str:
    return metric if event_type in _PLAIN else f"{event_type}.{metric}"


def _is_number(arrow_type: pa.DataType) -> bool:
    return bool(pa.types.is_floating(arrow_type) or pa.types.is_integer(arrow_type))


_COLUMNS: dict[str, Any] = {
    "step": pa.int64(),
    "name": pa.string(),
    "value": pa.float64(),
    "event": pa.string(),
    "mode": pa.string(),
    "run": pa.string(),
    "rank": pa.int64(),
    "attempt": pa.int64(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
_LONG = pa.schema(_COLUMNS)
