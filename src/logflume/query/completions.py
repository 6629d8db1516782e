"""Queries completions by step, correctness and reward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from logflume.exceptions import QueryError
from logflume.query.columns import check, holds_numbers
from logflume.values.declared import declared_columns

__all__ = ["CompletionFilter", "read_completions"]

_ID_COLUMNS = ["run", "rank", "attempt", "seq"]
_CORRECTNESS_COLUMNS = ["answer", "true_answer", "quality/correct*"]
_TYPE = "model_output"
_EventId: TypeAlias = tuple[Any, ...]


class CompletionFilter(NamedTuple):
    """Which completions to return.

    Attributes:
        correct: Only those whose answer is correct (True) or wrong (False); None: both.
        min_reward: The minimum reward.
        max_reward: The maximum reward.
        worst: Only this number of completions, those with the lowest reward, lowest first.
        best: Only this number of completions, those with the highest reward, highest first.
        by: The column that holds the reward; the prefix `rewards/` of a reward function may be
            omitted.
    """

    correct: bool | None = None
    min_reward: float | None = None
    max_reward: float | None = None
    worst: int | None = None
    best: int | None = None
    by: str = "rewards/total"


def read_completions(
    read: Callable[..., pa.Table], wanted: CompletionFilter, columns: Sequence[str] | None
) -> pa.Table:
    """Return the completions that match a filter.

    The columns that the filter needs are read first; the texts are then read for the matching
    completions only.

    Args:
        read: Returns the `model_output` events, with some of their columns.
        wanted: Which completions.
        columns: Names and patterns; None: all.

    Raises:
        QueryError: There is no such column or reward.
    """
    if wanted == CompletionFilter(by=wanted.by):
        return read(_TYPE, columns=columns)
    if wanted.worst is not None and wanted.best is not None:
        raise QueryError("outputs: worst and best can't be combined")
    if min(wanted.worst or 0, wanted.best or 0) < 0:
        raise QueryError("outputs: worst and best are numbers of completions, 0 or more")
    if "/" not in wanted.by and wanted.by not in declared_columns(_TYPE):
        wanted = wanted._replace(by=f"rewards/{wanted.by}")
    filter_columns = ["step", *_ID_COLUMNS, "process*"]
    if wanted.correct is not None:
        filter_columns += _CORRECTNESS_COLUMNS
    if wanted[1:5] != (None,) * 4:
        filter_columns.append(wanted.by)
    select = partial(_select, wanted)
    rows = select(read(_TYPE, columns=filter_columns, prefilter=select))
    output_columns = None if columns is None else [*columns, *_ID_COLUMNS, "process*"]
    events = _in_order_of(rows, read(_TYPE, columns=output_columns, seqs=_seqs(rows)))
    return events if columns is None else events.select(check(columns, events.column_names, _TYPE))


def _select(wanted: CompletionFilter, rows: pa.Table) -> pa.Table:
    """Return the rows that match, from a table with the columns that the filter needs."""
    if wanted.correct is not None:
        rows = rows.filter(pc.equal(_is_correct(rows), pa.scalar(wanted.correct)))
    if wanted.by not in rows.column_names or not len(rows):
        return rows
    if not holds_numbers(rows.schema.field(wanted.by).type):
        raise QueryError(f"completions can't be sorted by {wanted.by!r}: it is not a number")
    reward = pc.field(wanted.by)
    if wanted.min_reward is not None:
        rows = rows.filter(reward >= wanted.min_reward)
    if wanted.max_reward is not None:
        rows = rows.filter(reward <= wanted.max_reward)
    for count, order in ((wanted.worst, "ascending"), (wanted.best, "descending")):
        if count is not None:
            # Sorting by everything that identifies an event makes the order of ties deterministic.
            keys: list[Any] = [(wanted.by, order)]
            keys += [(name, "ascending") for name in ("step", *_ID_COLUMNS)]
            table: Any = rows.filter(_is_number(rows[wanted.by]))
            rows = table.take(pc.select_k_unstable(table, min(count, len(table)), keys))
    return rows


def _is_number(values: Any) -> Any:
    return pc.and_(pc.is_valid(values), pc.invert(pc.is_nan(values)))


def _seqs(rows: pa.Table) -> dict[str, set[int]]:
    """Return the `seq` numbers of the rows, by run."""
    seqs: dict[str, set[int]] = {}
    ids: Any = rows.select(["run", "seq"]).to_pylist()
    for row in ids:
        seqs.setdefault(row["run"], set()).add(row["seq"])
    return seqs


def _in_order_of(rows: pa.Table, events: pa.Table) -> pa.Table:
    """Return the events that `rows` identifies, in the order of `rows`."""
    indices = {event_id: index for index, event_id in enumerate(_event_ids(events))}
    return events.take(pa.array([indices[one] for one in _event_ids(rows)], pa.int64()))


def _event_ids(table: pa.Table) -> list[_EventId]:
    # Forked children number their events separately; without any, the column doesn't exist.
    columns = [table[name].to_pylist() for name in _ID_COLUMNS]
    has_process = "process" in table.column_names
    columns.append(table["process"].to_pylist() if has_process else [None] * len(table))
    return list(zip(*columns, strict=True))


def _is_correct(rows: pa.Table) -> Any:
    """Return the measured correctness; where it is missing, compare answer and truth as text."""
    truth = rows["true_answer"]
    same: Any = pc.equal(_trimmed(rows["answer"]), _trimmed(truth))
    compared = pc.if_else(pc.is_null(truth), None, pc.fill_null(same, False))
    if "quality/correct" in rows.column_names:
        return pc.coalesce(rows["quality/correct"], compared)
    return compared


def _trimmed(texts: Any) -> Any:
    return pc.utf8_trim_whitespace(texts)
