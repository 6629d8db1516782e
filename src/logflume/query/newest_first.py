"""Reads completions in pieces of some steps, the newest first: a search that can stop early."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logflume.query.completions import CompletionFilter, read_completions, read_in_one_pass
from logflume.query.event_ids import IDS, OPTIONAL_IDS

if TYPE_CHECKING:
    from logflume.query.row_filter import Steps
    from logflume.query.table import Table

__all__ = ["OutputsPiece", "read_newest_first"]

_TYPE = "model_output"
_FIRST_SIZE = 2_000
_MAX_SIZE = 16_000
"""Completions of a piece: few at first, because many searches find enough there, and then as many
as limit the memory of a piece to tens of megabytes. A piece has at least one step."""

Read: TypeAlias = Callable[..., pa.Table]


class OutputsPiece(NamedTuple):
    """The completions of some steps that match a filter.

    Attributes:
        outputs: The completions, in the order of `outputs`.
        searched: The number of completions that were searched so far, those of this piece included.
        total: The number of completions to search: those for which the condition in SQL is true.
    """

    outputs: Table
    searched: int
    total: int


class _Window(NamedTuple):
    """Some steps, and how many completions they have.

    Attributes:
        steps: The first and the last step; None: the completions without a step.
        completions: The number of their completions.
    """

    steps: tuple[int, int] | None
    completions: int

    def select(self, rows: pa.Table) -> pa.Table:
        """Return the rows of these steps."""
        if self.steps is None:
            return rows.filter(pc.is_null(rows["step"]))
        first, last = (pa.scalar(step) for step in self.steps)
        steps: Any = rows["step"]
        return rows.filter(pc.and_(pc.greater_equal(steps, first), pc.less_equal(steps, last)))


def read_newest_first(
    query: Callable[[Callable[[Read], pa.Table]], Table],
    wanted: CompletionFilter,
    steps: Steps,
    columns: Sequence[str],
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
    condition = CompletionFilter(where=wanted.where)
    ids = ["step", *IDS, *OPTIONAL_IDS] if wanted.where is not None else ["step"]
    rows = query(lambda read: read_completions(partial(read, steps=steps), condition, ids)).arrow
    searched = 0
    for window in _plan_windows(rows["step"]):
        among = window.select(rows) if wanted.where is not None else None
        found = query(partial(_read_window, window, among, wanted, columns))
        searched += window.completions
        yield OutputsPiece(found, searched, len(rows))


def _read_window(
    window: _Window,
    among: pa.Table | None,
    wanted: CompletionFilter,
    columns: Sequence[str],
    read: Read,
) -> pa.Table:
    if window.steps is not None:
        return read_in_one_pass(partial(read, steps=window.steps), wanted, columns, among)
    found = window.select(read_in_one_pass(read, wanted, [*columns, "step"], among))
    is_extra = "step" not in columns
    return found.drop_columns(["step"]) if is_extra else found


def _plan_windows(steps: pa.ChunkedArray[pa.Int64Scalar]) -> Iterator[_Window]:
    """Yield the windows of some completions, the newest first."""
    known = steps.drop_null().to_numpy()
    distinct, counts = np.unique(known, return_counts=True)
    size, last, completions = _FIRST_SIZE, None, 0
    for step, count in zip(distinct[::-1].tolist(), counts[::-1].tolist(), strict=True):
        last = step if last is None else last
        completions += count
        if completions >= size or step == distinct[0]:
            yield _Window((step, last), completions)
            size, last, completions = min(2 * size, _MAX_SIZE), None, 0
    if steps.null_count:
        yield _Window(None, steps.null_count)
