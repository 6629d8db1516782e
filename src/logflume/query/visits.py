"""Groups completions into visits: what one generation sampled for one prompt.

A visit is a group of the trainer. Its completions share the step, mode, generation, group number
and prompt, and may be spread over several ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logflume.exceptions import QueryError
from logflume.query.columns import optional, with_columns
from logflume.query.groupings import (
    Array,
    Grouping,
    group_rows,
    number_together,
    numbers_of,
    texts_of,
)
from logflume.query.prompt_ids import TEXTS, prompt_ids

__all__ = [
    "ORDER",
    "VISIT",
    "AnyMode",
    "Mode",
    "Read",
    "Visits",
    "add_ids",
    "available_columns",
    "check_mode",
    "of_mode",
    "read_visits",
    "with_mode",
]

Mode: TypeAlias = Literal["train", "eval"]
AnyMode: TypeAlias = Literal["train", "eval", "both"]
Read: TypeAlias = Callable[..., pa.Table]

VISIT = ["run", "attempt", "step", "mode", "generation", "group", "prompt_id"]
"""The columns that identify a visit."""

ORDER = ["run", "step", "attempt", "mode", "generation", "group", "prompt_id"]
"""The same columns in the order of time."""

_TYPE = "model_output"
_BATCH = ["run", "rank", "process", "attempt", "step", "mode", "generation"]
_NO_STEPS = (1, 0)
_RESERVED = ["run", "rank", "attempt", "seq", "step", "mode"]
_COLUMNS: dict[str, Any] = {
    "process": pa.string(),
    "generation": pa.int64(),
    "group": pa.int64(),
}


class Visits(NamedTuple):
    """Completions and the visits that they belong to.

    Attributes:
        completions: One row for each completion, in the order they were logged.
        grouping: The visit of each completion, in the order of `keys`.
        keys: The identifying columns of each visit, in the order of run, step, attempt, mode,
            generation and group.
        is_partial: For each visit, whether completions of its batch were not recorded: those that
            the policy of `attach` did not keep, or that the full buffer dropped.
    """

    completions: pa.Table
    grouping: Grouping
    keys: pa.Table
    is_partial: Array

    def __len__(self) -> int:
        return len(self.keys)

    def sums(self, values: Any = None) -> Array:
        """Return the sum of a value over the completions of each visit, or their number."""
        return self.grouping.sum(values)


def read_visits(
    read: Read, *, mode: Mode | Literal["main"] | None = None, columns: Sequence[str] = ()
) -> Visits:
    """Read the completions of a run and group them.

    Completions that were logged without a mode count as training, as metrics do.

    Args:
        read: Returns the events of a type, with some of their columns.
        mode: Only visits of training or of evaluation; `main`: of training, or all of a run without
            training; None: both.
        columns: Names and patterns of further columns of the completions.

    Raises:
        QueryError: There is no such column, or no such mode.
    """
    is_main, mode = mode == "main", None if mode == "main" else mode
    check_mode(mode)
    completions = of_mode(_read_completions(read, columns), mode)
    if is_main:
        completions = _of_main_mode(read, completions)
    grouping = group_rows(completions, ORDER)
    keys = grouping.take_first(completions.select(VISIT))
    return Visits(completions, grouping, keys, _find_partial(read, completions, grouping, mode))


def available_columns(read: Read) -> list[str]:
    """Return the names of all columns that completions have."""
    return read(_TYPE, columns=None, steps=_NO_STEPS).column_names


def add_ids(completions: pa.Table) -> pa.Table:
    """Return completions with all columns that identify their visits, the prompt included."""
    missing = [name for name in _COLUMNS if name not in completions.column_names]
    nulls = {name: pa.nulls(len(completions), _COLUMNS[name]) for name in missing}
    return with_columns(completions, {**nulls, "prompt_id": prompt_ids(completions)})


def check_mode(mode: str | None) -> None:
    """Raise an error for a mode that doesn't exist.

    Raises:
        QueryError: It doesn't.
    """
    if mode not in (None, "train", "eval"):
        raise QueryError(f"mode={mode!r}: expected 'train' or 'eval', or None for both")


def with_mode(events: pa.Table) -> pa.Table:
    """Return events whose mode, if they have the column, is `train` where nobody set one."""
    if "mode" not in events.column_names:
        return events
    modes: Any = pc.fill_null(texts_of(events, "mode"), "train")
    return with_columns(events, {"mode": modes})


def of_mode(events: pa.Table, mode: Mode | None) -> pa.Table:
    """Return the events of a mode; events without a mode get `train`."""
    modes: Any = pc.fill_null(texts_of(events, "mode"), "train")
    events = with_columns(events, {"mode": modes})
    return events if mode is None else events.filter(pc.equal(modes, pa.scalar(mode)))


def _of_main_mode(read: Read, completions: pa.Table) -> pa.Table:
    """Return the completions of training, and all of the runs without training."""
    trained = _trained_runs(completions)
    if pc.all(pc.is_in(completions["run"], trained)).as_py() is False:
        # These steps may have only evaluations although others have a training.
        everything = read(_TYPE, columns=["run", "mode"], steps=None)
        trained = _trained_runs(of_mode(everything, None))
    is_train = pc.equal(completions["mode"], pa.scalar("train"))
    return completions.filter(pc.or_(is_train, pc.invert(pc.is_in(completions["run"], trained))))


def _trained_runs(completions: pa.Table) -> Any:
    """Return the runs that have completions of training."""
    of_training = completions.filter(pc.equal(completions["mode"], pa.scalar("train")))
    return pc.unique(of_training["run"])


def _read_completions(read: Read, columns: Sequence[str]) -> pa.Table:
    """Return the completions with all columns that identify their visits."""
    names = [*_RESERVED, *map(optional, [*_COLUMNS, "prompt_id"]), *columns]
    rows = read(_TYPE, columns=names)
    if "prompt_id" not in rows.column_names or rows["prompt_id"].null_count:
        # Read all columns again: of a live run, there may be more rows by now.
        rows = read(_TYPE, columns=[*names, *TEXTS])
    return add_ids(rows)


def _find_partial(
    read: Read, completions: pa.Table, grouping: Grouping, mode: Mode | None
) -> Array:
    """Return for each visit whether its batch has fewer completions than its `generation` counts.

    That event is logged after the completions of a rank, so without it, they may be incomplete
    only because the run is live or was killed.
    """
    names = [*_RESERVED, *map(optional, ["process", "generation", "rows"])]
    batches = of_mode(read("generation", columns=names), mode)
    if "rows" not in batches.column_names or not len(batches):
        return np.zeros(len(grouping), bool)
    of_completion, of_batch, count = number_together(completions, batches, _BATCH)
    rows = np.nan_to_num(numbers_of(batches, "rows"))
    generated = np.bincount(of_batch, rows, minlength=count)
    is_short = generated > np.bincount(of_completion, minlength=count)
    return grouping.sum(is_short[of_completion]) > 0
