"""Queries the metrics of a run by step, in long or wide form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from logflume.config.errors import nearest
from logflume.events.catalogue import EventBase
from logflume.exceptions import QueryError
from logflume.query.columns import PATTERN, holds_numbers
from logflume.values.declared import declared_columns

__all__ = ["read_metrics"]

_UNPREFIXED = ("training", "evaluation")
_KEYS = ["step", "event", "mode", "run", "rank", "attempt", "timestamp"]
_NOT_METRICS = frozenset({*declared_columns(EventBase.__name__), "global_step", "generation"})


def read_metrics(
    read: Callable[..., pa.Table],
    types: Sequence[str],
    names: Sequence[str],
    wide_by: Sequence[str] | None,
) -> pa.Table:
    """Return metrics in long or wide form.

    Args:
        read: Returns the events of a type, with some of their columns.
        types: The event types.
        names: Names and patterns of metrics; empty: all.
        wide_by: The key columns of the wide form; None: long form.

    Raises:
        QueryError: There is no such metric.
    """
    tables = [read(event_type, columns=_columns(event_type, names)) for event_type in types]
    found = {name for table in tables for name in (*table.column_names, *_wide_names(table))}
    if missing := [name for name in names if name not in found and not set(name) & PATTERN]:
        known = {name for event_type in types for name in _find_metrics(read(event_type))}
        hint = nearest(missing[0], known)
        raise QueryError(
            f"there is no metric {missing[0]!r}"
            + (f"; did you mean {hint!r}?" if hint else f"; available: {', '.join(sorted(known))}")
        )
    return _to_long(tables) if wide_by is None else _to_wide(tables, list(wide_by))


def _columns(event_type: str, names: Sequence[str]) -> list[str] | None:
    """Return the requested columns of a type. Names of the wide form are accepted, too."""
    unprefixed = [name.removeprefix(f"{event_type}.") for name in names]
    return [*_KEYS, *map(_as_pattern, unprefixed)] if names else None


def _as_pattern(name: str) -> str:
    """Return a pattern for a plain name, too: a pattern may match nothing, a name may not."""
    return name if set(name) & PATTERN else f"[{name[:1]}]{name[1:]}"


def _find_metrics(events: pa.Table) -> list[str]:
    """Return the numeric columns that aren't identifiers or positions, and aren't all null."""
    names = [f.name for f in events.schema if f.name not in _NOT_METRICS and holds_numbers(f.type)]
    return [name for name in names if events[name].null_count < len(events)]


def _to_long(events: Iterable[pa.Table]) -> pa.Table:
    """Return one row for each number: `step`, `name`, `value`, and its origin."""
    pieces = [_LONG.empty_table()]
    for table in events:
        table = table.take(pc.sort_indices(table, [(n, "ascending") for n in ("run", "step")]))
        keys = table.select(_KEYS)
        for name in _find_metrics(table):
            values = table[name].cast(pa.float64())
            piece = keys.append_column("name", pa.repeat(name, len(table)).cast(pa.string()))
            piece = piece.append_column("value", values).filter(pc.is_valid(values))
            pieces.append(piece.select(_LONG.names).cast(_LONG))
    return pa.concat_tables(pieces)


def _to_wide(events: Iterable[pa.Table], keys: list[str]) -> pa.Table:
    """Return one row for each step and mode, with a column for each metric.

    Metrics of `training` and `evaluation` keep their names; those of other types are prefixed with
    the type: `reward.rewards/correctness/std`. If a step has several values of a metric (several
    batches or attempts), the last one is used; values of several ranks are averaged. Events
    without a step are omitted.
    """
    modes: Any
    wide = pa.table({name: pa.array([], _LONG.field(name).type) for name in keys})
    for table in events:
        metrics = _find_metrics(table)
        # Nulls never match in a join.
        modes = table["mode"]
        table = _replace(table, "mode", pc.fill_null(modes, ""))
        table = table.filter(pc.is_valid(table["step"]))
        if len(table) and metrics:
            rows = _last_by_key(table, keys, metrics).rename_columns([*keys, *_wide_names(table)])
            wide = _join(wide, rows, keys)
    modes = wide["mode"]
    modes = pc.if_else(pc.equal(modes, pa.scalar("")), None, modes)
    order: list[Any] = [(n, "descending" if n == "mode" else "ascending") for n in keys]
    return _replace(wide, "mode", modes).sort_by(order)


def _join(wide: pa.Table, rows: pa.Table, keys: list[str]) -> pa.Table:
    """Join both tables by key; for a metric in both, values of `rows` take precedence."""
    joined = wide.join(rows, keys, join_type="full outer", right_suffix="/right")
    for name in set(wide.column_names) & set(rows.column_names) - set(keys):
        both = pc.coalesce(joined[f"{name}/right"], joined[name])
        joined = _replace(joined, name, both).drop_columns([f"{name}/right"])
    return joined


def _replace(table: pa.Table, name: str, column: Any) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)


def _last_by_key(table: pa.Table, keys: list[str], metrics: list[str]) -> pa.Table:
    """Return for each key the last value of each rank, averaged over ranks."""
    by_rank = [*keys, "rank"]
    rows = table.group_by(by_rank, use_threads=False).aggregate([(m, "last") for m in metrics])
    rows = rows.rename_columns([*by_rank, *metrics])
    return rows.group_by(keys).aggregate([(m, "mean") for m in metrics])


def _wide_names(table: pa.Table) -> list[str]:
    """Return the column names in wide form of the metrics of a table of one type."""
    metrics = _find_metrics(table)
    event_type = table["event"][0].as_py() if len(table) else None
    return [m if event_type in _UNPREFIXED else f"{event_type}.{m}" for m in metrics]


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
