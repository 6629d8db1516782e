"""Queries the metrics of a run by step, in long or wide form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logflume.config.errors import suggest
from logflume.events.catalogue import EventBase
from logflume.events.metric_names import find_same
from logflume.exceptions import QueryError
from logflume.query.columns import PATTERN, holds_numbers, is_optional, match, with_columns
from logflume.query.downsample import check_max_points, downsample_long, downsample_wide
from logflume.query.event_ids import OPTIONAL_IDS, read_same
from logflume.query.points import find_restarts, merge_events
from logflume.values.declared import declared_columns, declared_kind
from logflume.values.kinds import Kind

__all__ = ["explain_missing", "lacking", "read_metrics", "suggest_metric"]

_UNPREFIXED = ("training", "evaluation", "reward")
"""The event types of metrics that have the names of their fields."""

_TOGETHER = ("training", "evaluation")
"""Those of which metrics of one name are one column."""

_KEYS = ["step", "event", "mode", "run", "rank", "attempt", "timestamp"]
_IDENTIFYING = frozenset([*_KEYS, "seq", "process"])
_RESERVED = frozenset(declared_columns(EventBase.__name__))
_POSITIONS = frozenset({"global_step", "generation"})
_BESIDE = ["n", "*/n", "num_generations", "groups"]
"""The fields that the values of others are weighted by."""


class _Metrics(NamedTuple):
    """The events of one type, and which of their columns are the metrics that were requested.

    Each event has a mode, so that those of one step have the same: `eval` for an `evaluation`, and
    `train` for others that were logged without one.
    """

    event_type: str
    events: pa.Table
    names: list[str]


def read_metrics(
    read: Callable[..., pa.Table],
    types: Sequence[str],
    names: Sequence[str],
    wide_by: Sequence[str] | None,
    max_points: int | None = None,
    *,
    has_many_ranks: bool = False,
    all_types: Callable[[], Sequence[str]] | None = None,
) -> pa.Table:
    """Return metrics in long or wide form.

    Args:
        read: Returns the events of a type, with some of their columns.
        types: The event types.
        names: Names and patterns of metrics; empty: all.
        wide_by: The key columns of the wide form; None: long form.
        max_points: The maximum number of points of a curve; None: all.
        has_many_ranks: Whether several ranks write a run. Then most points of the wide form have
            several events, so the lists that weight them are read in the same pass: opening the
            files of a thousand ranks again takes as long as reading them.
        all_types: Returns the types from which a message suggests a metric; None: `types`.

    Raises:
        QueryError: There is no such metric, or a curve can't have so few points.
    """
    check_max_points(max_points)
    with_lists = has_many_ranks and wide_by is not None
    found = [_read(read, one, names, with_lists=with_lists) for one in dict.fromkeys(types)]
    _check(read, found, names, all_types)
    merge = partial(
        merge_events,
        restarts=cache(lambda: find_restarts(read)),
        read_lists=partial(_read_lists, read),
    )
    if wide_by is None:
        points = _to_long(found, merge)
        return points if max_points is None else downsample_long(points, max_points)
    points = _to_wide(found, names, list(wide_by), merge, max_points)
    return points if max_points is None else downsample_wide(points, wide_by, max_points)


def _read(
    read: Callable[..., pa.Table],
    event_type: str,
    names: Sequence[str],
    *,
    with_lists: bool = False,
) -> _Metrics:
    def is_needed(field: pa.Field[Any]) -> bool:
        return _is_needed(field) or (with_lists and _is_list_of_rewards(event_type, field))

    events = read(event_type, columns=_columns(event_type, names), kinds=is_needed)
    events = events.combine_chunks()  # a thousand ranks have a thousand chunks
    modes: Any = events["mode"]
    modes = pc.fill_null(modes, "train")
    if event_type == "evaluation":  # has no mode of its own in runs of earlier versions
        modes = pa.repeat(pa.scalar("eval", pa.string()), len(events))
    events = with_columns(events, {"mode": modes})
    return _Metrics(event_type, events, _find_metrics(event_type, events, names))


def _is_needed(field: pa.Field[Any]) -> bool:
    return field.name in _IDENTIFYING or holds_numbers(field.type)


def _is_list_of_rewards(event_type: str, field: pa.Field[Any]) -> bool:
    """Whether a field is declared as a list, so that it is one in the files of all ranks."""
    return (
        pa.types.is_list(field.type)
        and field.name.startswith("rewards/")
        and declared_kind(event_type, field.name) is Kind.NUMBERS
    )


def _read_lists(read: Callable[..., pa.Table], event_type: str, events: pa.Table) -> pa.Table:
    """Return the lists of rewards of some events: most runs need none, and they are large."""

    def is_needed(field: pa.Field[Any]) -> bool:
        return field.name in _IDENTIFYING or pa.types.is_list(field.type)

    return read_same(partial(read, kinds=is_needed), event_type, events, ["rewards/*"])[1]


def _columns(event_type: str, names: Sequence[str]) -> list[str] | None:
    """Return the columns to read: the requested ones, and those that their means depend on."""
    if not names:
        return None
    requested = _own_names(event_type, names)
    needed = [*_KEYS, "seq", *OPTIONAL_IDS, *requested, *_BESIDE]
    if any(name.endswith("std") or set(name) & PATTERN for name in requested):
        needed += ["mean", "*/mean"]
    return needed


def _own_names(event_type: str, names: Sequence[str]) -> list[str]:
    """Return names as given, and without the prefix of the wide form."""
    own = [(name, name.removeprefix(f"{event_type}.")) for name in names]
    return list(dict.fromkeys(name for both in own for name in both))


def _find_metrics(event_type: str, events: pa.Table, names: Sequence[str]) -> list[str]:
    """Return the requested metrics; without a request, all numbers that are no positions."""
    numbers = [f.name for f in events.schema if holds_numbers(f.type) and f.name not in _RESERVED]
    if not names:
        return [n for n in numbers if n not in _POSITIONS and _has_values(events, n)]
    own = _own_names(event_type, names)
    return [
        n
        for n in match(own, numbers)
        if n in own or (n not in _POSITIONS and _has_values(events, n))
    ]


def _has_values(events: pa.Table, name: str) -> bool:
    return events[name].null_count < len(events)


def _check(
    read: Callable[..., pa.Table],
    found: Sequence[_Metrics],
    names: Sequence[str],
    all_types: Callable[[], Sequence[str]] | None,
) -> None:
    """Check that each requested name is that of a metric.

    Raises:
        QueryError: One is not.
    """
    known = {name for of_type in found for name in of_type.names}
    known |= {f"{of_type.event_type}.{name}" for of_type in found for name in of_type.names}
    for name in names:
        if name in known or set(name) & PATTERN:
            continue
        for event_type, _, _ in found:
            own = name.removeprefix(f"{event_type}.")
            if own in (all_of_type := read(event_type)).column_names and own not in _RESERVED:
                mean = f"{own}/mean"
                means = f" its mean is {mean!r};" if mean in all_of_type.column_names else ""
                raise QueryError(
                    f"{name!r} is not a number but {all_of_type.schema.field(own).type}, so it "
                    f"is not a metric;{means} read it with "
                    f"events({event_type!r}, columns=[{own!r}])"
                )
        types = all_types() if all_types else [of_type.event_type for of_type in found]
        raise QueryError(_explain(read, types, name))


def lacking(points: pa.Table, names: Sequence[str], *, wide: bool) -> list[str]:
    """Return the requested names and patterns of which a result has no value."""
    if not wide:
        pairs = points.group_by(["event", "name"]).aggregate([]).to_pylist()
        present = {name for of in pairs for name in (of["name"], f"{of['event']}.{of['name']}")}
    else:
        present = {name for name in points.column_names if _has_values(points, name)}
    return [name for name in names if not is_optional(name) and not match([name], [*present])]


def explain_missing(
    read: Callable[..., pa.Table],
    types: Sequence[str],
    names: Sequence[str],
    *,
    all_types: Callable[[], Sequence[str]] | None,
) -> list[str]:
    """Return a message for each name or pattern of which no event has a value.

    Args:
        read: As for `read_metrics`, of all steps.
        types: The event types.
        names: Names that a type declares, and patterns.
        all_types: As for `read_metrics`.
    """
    found = [_read(read, one, names) for one in types]
    recorded = {
        name
        for event_type, events, own in found
        for metric in own
        if _has_values(events, metric)
        for name in (metric, f"{event_type}.{metric}")
    }
    absent = [name for name in names if not match([name], [*recorded])]
    return [_explain(read, all_types() if all_types else types, name) for name in absent]


def suggest_metric(name: str, metrics: Sequence[str]) -> str:
    """Return the end of a message about an unknown metric: the one that is probably meant."""
    return suggest(name, metrics, find_same(name, metrics))


def _explain(read: Callable[..., pa.Table], types: Sequence[str], name: str) -> str:
    metrics = {
        metric if one in _UNPREFIXED else f"{one}.{metric}"
        for one in types
        for metric in _read(read, one, ()).names
    }
    what = "no metric matches" if set(name) & PATTERN else "there is no metric"
    return f"{what} {name!r}; {suggest_metric(name, sorted(metrics))}"


_Merge: TypeAlias = Callable[..., pa.Table]
"""The function `merge_events`, for certain runs."""


def _to_long(found: Iterable[_Metrics], merge: _Merge) -> pa.Table:
    """Return one row for each point: `step`, `name`, `value`, and its origin."""
    pieces = [_LONG.empty_table()]
    for event_type, events, names in found:
        table = events.take(pc.sort_indices(events, [(n, "ascending") for n in ("run", "step")]))
        points = merge(event_type, table, ["run", "step", "mode", "rank", "attempt"], names)
        keys = points.select(_KEYS)
        for name in names:
            values = points[name]
            piece = keys.append_column("name", pa.repeat(name, len(points)).cast(pa.string()))
            piece = piece.append_column("value", values).filter(pc.is_valid(values))
            pieces.append(piece.select(_LONG.names).cast(_LONG))
    return pa.concat_tables(pieces)


def _to_wide(
    found: Sequence[_Metrics],
    names: Sequence[str],
    keys: list[str],
    merge: _Merge,
    max_points: int | None,
) -> pa.Table:
    """Return one row for each step and mode, with a column for each metric.

    A metric that was requested by its name has that name. Otherwise metrics of `training`,
    `evaluation` and `reward` keep their names, and those of other types are prefixed with the type:
    `weights.embedding/mean`. So is one of `reward` if another type has a metric of its name. Events
    without a step are omitted.
    """
    tables = [pa.schema([(name, _COLUMNS[name]) for name in keys]).empty_table()]
    columns: dict[str, None] = {}
    for of_type in found:
        metrics = _name_columns(of_type, found, names)
        columns.update(dict.fromkeys(metrics))
        events = of_type.events
        if events["step"].null_count:
            events = events.filter(pc.is_valid(events["step"]))
        if metrics:
            points = merge(of_type.event_type, events, keys, list(metrics.values()))
            values = [points[name] for name in metrics.values()]
            arrays = [points[key].cast(_COLUMNS[key]) for key in keys]
            tables.append(pa.table([*arrays, *values], names=[*keys, *metrics]))
    if max_points is not None and _are_disjoint(tables, keys):
        # Before they are joined, because the joined table takes a multiple of the memory.
        tables = [downsample_wide(_in_order(one, keys), keys, max_points) for one in tables]
    # Where two types have a column in common, the later type takes precedence.
    rows = pa.concat_tables(reversed(tables), promote_options="default")
    requested = [name for name in names if name in columns]
    ordered = list(dict.fromkeys([*requested, *columns]))
    merged = rows.group_by(keys, use_threads=False).aggregate([(n, "first") for n in ordered])
    return _in_order(merged.rename_columns([*keys, *ordered]), keys)


def _in_order(points: pa.Table, keys: Sequence[str]) -> pa.Table:
    order: list[Any] = [(n, "descending" if n == "mode" else "ascending") for n in keys]
    indices = pc.sort_indices(points, order)
    is_sorted = bool((indices.to_numpy() == np.arange(len(points))).all())
    return points if is_sorted else points.take(indices)


def _are_disjoint(tables: Sequence[pa.Table], keys: Sequence[str]) -> bool:
    """Whether no curve has points of several types: they share no column in the same mode."""
    seen: set[tuple[str, Any]] = set()
    for table in tables:
        modes = pc.unique(table["mode"]).to_pylist()
        own = {(name, mode) for name in table.column_names if name not in keys for mode in modes}
        if seen & own:
            return False
        seen |= own
    return True


def _name_columns(
    of_type: _Metrics, found: Sequence[_Metrics], names: Sequence[str]
) -> Mapping[str, str]:
    """Return the metrics of a type by the names of their columns in the wide form."""
    event_type = of_type.event_type
    columns: dict[str, str] = {}
    for metric in of_type.names:
        prefixed = f"{event_type}.{metric}"
        is_plain = event_type in _TOGETHER or (
            (event_type in _UNPREFIXED or metric in names) and _owner(metric, found) is of_type
        )
        requested = [n for n in ((metric,) if is_plain else ()) + (prefixed,) if n in names]
        for column in requested or [metric if is_plain else prefixed]:
            columns.setdefault(column, metric)
    return columns


def _owner(metric: str, found: Sequence[_Metrics]) -> _Metrics:
    """Return the first type that has values of a metric, or else the first that has the field."""
    have = [of_type for of_type in found if metric in of_type.names]
    return next((one for one in have if _has_values(one.events, metric)), have[0])


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
