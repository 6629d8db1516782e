"""Completions by step, correctness and reward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from logflume.exceptions import QueryError
from logflume.query.columns import check, holds_numbers
from logflume.values.kinds import declared_columns

__all__ = ["Wanted", "read_outputs"]

_NAME = ["run", "rank", "attempt", "seq"]
_CORRECT = ["answer", "true_answer", "quality/correct*"]
_TYPE = "model_output"
_Place: TypeAlias = tuple[Any, ...]


class Wanted(NamedTuple):
    """Which completions are wanted.

    Attributes:
        correct: Those whose answer is right, or wrong; None: both.
        min_reward: The least reward.
        max_reward: The greatest reward.
        worst: So many with the least reward, the worst first.
        best: So many with the greatest reward, the best first.
        by: The column that is the reward; a function can be named without `rewards/`.
    """

    correct: bool | None = None
    min_reward: float | None = None
    max_reward: float | None = None
    worst: int | None = None
    best: int | None = None
    by: str = "rewards/total"


def read_outputs(
    read: Callable[..., pa.Table], wanted: Wanted, columns: Sequence[str] | None
) -> pa.Table:
    """Return the completions that are wanted.

    What tells which these are is read first, and the texts of these alone afterwards.

    Args:
        read: Returns the events `model_output`, with some of their columns.
        wanted: Which completions.
        columns: Names and patterns; None: all.

    Raises:
        QueryError: There is no such column or reward.
    """
    if wanted == Wanted(by=wanted.by):
        return read(_TYPE, columns=columns)
    if wanted.worst is not None and wanted.best is not None:
        raise QueryError("outputs: worst and best can't both be asked for at once")
    if min(wanted.worst or 0, wanted.best or 0) < 0:
        raise QueryError("outputs: worst and best are numbers of completions, 0 or more")
    if "/" not in wanted.by and wanted.by not in declared_columns(_TYPE):
        wanted = wanted._replace(by=f"rewards/{wanted.by}")
    judged = ["step", *_NAME, "process*"]
    if wanted.correct is not None:
        judged += _CORRECT
    if wanted[1:5] != (None,) * 4:
        judged.append(wanted.by)
    pick = partial(_pick, wanted)
    rows = pick(read(_TYPE, columns=judged, shrink=pick))
    chosen = None if columns is None else [*columns, *_NAME, "process*"]
    found = _in_order_of(rows, read(_TYPE, columns=chosen, seqs=_seqs(rows)))
    return found if columns is None else found.select(check(columns, found.column_names, _TYPE))


def _pick(wanted: Wanted, rows: pa.Table) -> pa.Table:
    """Return the rows that are wanted, of those with the columns to judge by."""
    if wanted.correct is not None:
        rows = rows.filter(pc.equal(_is_correct(rows), pa.scalar(wanted.correct)))
    if wanted.by not in rows.column_names or not len(rows):
        return rows
    if not holds_numbers(rows.schema.field(wanted.by).type):
        raise QueryError(f"completions can't be sorted by {wanted.by!r}: it is no number")
    reward = pc.field(wanted.by)
    if wanted.min_reward is not None:
        rows = rows.filter(reward >= wanted.min_reward)
    if wanted.max_reward is not None:
        rows = rows.filter(reward <= wanted.max_reward)
    for count, order in ((wanted.worst, "ascending"), (wanted.best, "descending")):
        if count is not None:
            # All that names an event, so that of equal rewards it is always the same ones.
            keys: list[Any] = [(wanted.by, order)]
            keys += [(name, "ascending") for name in ("step", *_NAME)]
            table: Any = rows.filter(_is_number(rows[wanted.by]))
            rows = table.take(pc.select_k_unstable(table, min(count, len(table)), keys))
    return rows


def _is_number(values: Any) -> Any:
    return pc.and_(pc.is_valid(values), pc.invert(pc.is_nan(values)))


def _seqs(rows: pa.Table) -> dict[str, set[int]]:
    """Return by run the `seq` of the rows."""
    seqs: dict[str, set[int]] = {}
    names: Any = rows.select(["run", "seq"]).to_pylist()
    for name in names:
        seqs.setdefault(name["run"], set()).add(name["seq"])
    return seqs


def _in_order_of(rows: pa.Table, events: pa.Table) -> pa.Table:
    """Return the events that are named by `rows`, in that order."""
    places = {place: index for index, place in enumerate(_places(events))}
    return events.take(pa.array([places[place] for place in _places(rows)], pa.int64()))


def _places(table: pa.Table) -> list[_Place]:
    # Forked children number their own events; where there are none there is no such column.
    columns = [table[name].to_pylist() for name in _NAME]
    has_process = "process" in table.column_names
    columns.append(table["process"].to_pylist() if has_process else [None] * len(table))
    return list(zip(*columns, strict=True))


def _is_correct(rows: pa.Table) -> Any:
    """Return what was measured; where nothing was, whether the answer is the true one as text."""
    truth = rows["true_answer"]
    same: Any = pc.equal(_trimmed(rows["answer"]), _trimmed(truth))
    said = pc.if_else(pc.is_null(truth), None, pc.fill_null(same, False))
    if "quality/correct" in rows.column_names:
        return pc.coalesce(rows["quality/correct"], said)
    return said


def _trimmed(texts: Any) -> Any:
    return pc.utf8_trim_whitespace(texts)
