"""Reads completions a few steps at a time, the newest first, for a search that can stop early."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from logflume.query.completions import CompletionFilter, read_completions, read_in_one_pass
from logflume.query.event_ids import IDS, OPTIONAL_IDS
from logflume.query.groupings import group_rows
from logflume.query.table import Table
from logflume.query.visits import Read

if TYPE_CHECKING:
    from logflume.query.row_filter import Steps

__all__ = ["OutputsPiece", "read_newest_first", "read_output_steps"]

_TYPE = "model_output"
_FIRST_SIZE = 2_000
_MAX_SIZE = 16_000
"""Approximate number of completions in a piece: few at first, because many searches find enough
there, and later as many as fit into tens of megabytes. A piece has at least one step."""

Query: TypeAlias = Callable[[Callable[[Read], pa.Table]], Table]


class OutputsPiece(NamedTuple):
    """The completions of some steps that match a filter.

    Attributes:
        outputs: The completions, in the order of `outputs`.
        searched: The number of steps that were searched so far, those of this piece included.
        total: The number of steps to search: those that have completions for which the condition in
            SQL is true. Completions without a step count as those of one step.
    """

    outputs: Table
    searched: int
    total: int


class _Window(NamedTuple):
    """Some steps.

    Attributes:
        limits: The first and the last step; None: the completions without a step.
        size: The number of steps.
    """

    limits: tuple[int, int] | None
    size: int = 1

    def select(self, rows: pa.Table) -> pa.Table:
        """Return the rows of these steps."""
        steps: Any = rows["step"]
        if self.limits is None:
            return rows.filter(pc.is_null(steps))
        first, last = (pa.scalar(step) for step in self.limits)
        return rows.filter(pc.and_(pc.greater_equal(steps, first), pc.less_equal(steps, last)))


def read_output_steps(read: Read) -> pa.Table:
    """Return one row for each step and mode that has completions, in ascending order."""
    rows = read(_TYPE, columns=["step", "mode"], prefilter=_first_of_each_step)
    return _first_of_each_step(rows).select(["step", "mode"])


def _first_of_each_step(rows: pa.Table) -> pa.Table:
    return group_rows(rows, ["step", "mode"]).take_first(rows)


def read_newest_first(
    query: Query, wanted: CompletionFilter, steps: Steps, columns: Sequence[str]
) -> Iterator[OutputsPiece]:
    """Yield the completions that match a filter, in pieces from the newest steps to the oldest.

    Args:
        query: Runs a query, with a function that returns the events of a type.
        wanted: Which completions. A condition in SQL may refer to all of them, so it is applied to
            all of them before the first piece.
        steps: As for `outputs`.
        columns: Names and patterns of the columns to return.

    Raises:
        QueryError: There is no such column or reward, or a filter is invalid.
        RunError: A journal is damaged.
    """
    among = None
    if wanted.where is None:
        found = query(lambda read: read_output_steps(partial(read, steps=steps)))
    else:
        among = _read_where(query, wanted.where, steps).arrow
        found = Table(among)
    known = sorted(set(found["step"].to_pylist()), key=_newest)
    searched = 0
    for window in _plan_windows(query, known):
        rows = query(partial(_read_window, window, among, wanted, columns))
        searched += window.size
        yield OutputsPiece(rows, searched, len(known))


def _read_where(query: Query, where: str, steps: Steps) -> Table:
    """Return the ids of the completions for which a condition is true."""
    wanted = CompletionFilter(where=where)
    ids = ["step", *IDS, *OPTIONAL_IDS]
    return query(lambda read: read_completions(partial(read, steps=steps), wanted, ids))


def _read_window(
    window: _Window,
    among: pa.Table | None,
    wanted: CompletionFilter,
    columns: Sequence[str],
    read: Read,
) -> pa.Table:
    among = None if among is None else window.select(among)
    if window.limits is not None:
        return read_in_one_pass(partial(read, steps=window.limits), wanted, columns, among)
    found = window.select(read_in_one_pass(read, wanted, [*columns, "step"], among))
    return found if "step" in columns else found.drop_columns(["step"])


def _plan_windows(query: Query, steps: Sequence[int | None]) -> Iterator[_Window]:
    """Yield the windows of some steps, given in their order."""
    known = [step for step in steps if step is not None]
    per_step, size, start = 0, _FIRST_SIZE, 0
    while start < len(known):
        per_step = per_step or len(query(partial(_read_step, known[0])))
        count = max(1, size // max(1, per_step))
        some = known[start : start + count]
        yield _Window((some[-1], some[0]), len(some))
        start, size = start + count, min(2 * size, _MAX_SIZE)
    if None in steps:
        yield _Window(None)


def _read_step(step: int, read: Read) -> pa.Table:
    return read(_TYPE, columns=["step"], steps=step)


def _newest(step: int | None) -> tuple[bool, int]:
    """Return a sort key that puts the newest step first, and no step last."""
    return (True, 0) if step is None else (False, -step)
