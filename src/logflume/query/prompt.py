"""Queries one prompt: its completions, visit by visit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logflume.exceptions import QueryError
from logflume.query.columns import check, optional
from logflume.query.event_ids import IDS, OPTIONAL_IDS, read_same
from logflume.query.groupings import Array, group_rows, row_number_in_group, texts_of
from logflume.query.prompt_ids import TEXTS, prompt_ids
from logflume.query.row_filter import RowFilter, Steps
from logflume.query.solved import SOLVED_COLUMNS, solved_or_null
from logflume.query.visits import ORDER, Mode, add_ids, check_mode, of_mode, with_mode

__all__ = ["read_prompt"]

_TYPE = "model_output"
_KEYS = [*map(optional, ["generation", "group", "index", "prompt_id"])]
_ORDER_OF_VISITS = [name for name in ORDER if name != "prompt_id"]
_MAX_NAMED = 3
_ORDER_IN_VISIT = ["index", "rank", "process", "seq"]


def read_prompt(
    read: Callable[..., pa.Table],
    prompt_id: str,
    *,
    steps: Steps,
    mode: Mode | None,
    solved: float | None,
    columns: Sequence[str] | None,
) -> pa.Table:
    """Return the completions of a prompt, in the order of its visits.

    Args:
        read: Returns the events of a type, with some of their columns.
        prompt_id: The prompt's id, or its beginning, if no other id begins with that.
        steps: The steps; None: all. The visits of each mode are numbered over all steps.
        mode: Only visits of training or of evaluation; None: both.
        solved: The total reward from which a completion solves its prompt, where correctness was
            not measured.
        columns: Names and patterns of the columns to return; None: all.

    Raises:
        QueryError: There is no such prompt or column, or several ids begin with `prompt_id`.
    """
    check_mode(mode)
    in_steps = RowFilter.from_steps(steps)
    rows = _find_by_prefix(read, prompt_id)
    needed = None if columns is None else [*columns, *SOLVED_COLUMNS, *_KEYS, "step", "mode"]
    _, events = read_same(read, _TYPE, rows, needed)
    visits = add_ids(of_mode(events, None))
    if "index" not in visits.column_names:
        visits = visits.append_column("index", pa.nulls(len(visits), pa.int64()))
    in_time = group_rows(visits, _ORDER_OF_VISITS)
    numbers = _number_in_mode(in_time.take_first(visits)["mode"])[in_time.of_row]
    visits = visits.append_column("logflume/time", pa.array(in_time.of_row))
    visits = visits.append_column("logflume/visit", pa.array(numbers))
    visits = visits.append_column("logflume/row", pa.array(np.arange(len(visits))))
    visits = in_steps.apply(of_mode(visits, mode))
    if not len(visits):
        among = " among these steps" * (steps is not None) + f" in mode {mode!r}" * (
            mode is not None
        )
        if not len(read(_TYPE, columns=["seq"])):
            raise QueryError(f"prompt {prompt_id!r}: there are no completions here")
        raise QueryError(
            f"prompt {prompt_id!r}: no completion{among} has this prompt; `prompts` lists the ids "
            "of all prompts"
        )
    events = events.take(visits["logflume/row"])
    order = group_rows(visits, ["logflume/time", *_ORDER_IN_VISIT]).of_row
    rank = pa.array(np.argsort(order, kind="stable"), pa.int64())
    available = events.column_names
    names = available if columns is None else check(columns, available, _TYPE)
    result = events.select([name for name in names if name not in ("visit", "solved")])
    result = result.add_column(0, "visit", visits["logflume/visit"])
    result = result.add_column(1, "solved", solved_or_null(events, solved))
    return with_mode(result).take(rank)


def _number_in_mode(modes: Any) -> Array:
    """Return the number of each visit among those of its mode. Shape [visits].

    Args:
        modes: The mode of each visit, in the order of time.
    """
    of_mode = group_rows(pa.table({"mode": modes}), ["mode"]).of_row
    order = np.argsort(of_mode, kind="stable")
    numbers = np.empty(len(order), np.int64)
    numbers[order] = row_number_in_group(of_mode[order])
    return numbers


def _find_by_prefix(read: Callable[..., pa.Table], prompt_id: str) -> pa.Table:
    """Return the ids of the completions of a prompt, of whose id the beginning may be given.

    Raises:
        QueryError: The ids of several prompts begin like this.
    """
    rows = _find(read, lambda ids: pc.equal(ids, pa.scalar(prompt_id)))
    if len(rows) or not prompt_id:
        return rows
    rows = _find(read, lambda ids: pc.starts_with(ids, prompt_id))
    known = pc.unique(prompt_ids(rows)).to_pylist()
    if len(known) > 1:
        some = ", ".join(sorted(known)[:_MAX_NAMED]) + ", …" * (len(known) > _MAX_NAMED)
        raise QueryError(f"prompt {prompt_id!r}: {len(known):,} ids begin like this: {some}")
    return rows


def _find(read: Callable[..., pa.Table], is_wanted: Callable[[Any], Any]) -> pa.Table:
    """Return the ids of the completions of prompts that are selected by their ids.

    Texts of prompts are read only where their ids are missing.
    """

    def may_match(rows: pa.Table) -> pa.Table:
        if "prompt_id" not in rows.column_names:
            return rows
        ids = texts_of(rows, "prompt_id")
        return rows.filter(pc.fill_null(is_wanted(ids), True))

    def matches(rows: pa.Table) -> pa.Table:
        return rows.filter(is_wanted(prompt_ids(rows)))

    columns = [*IDS, *OPTIONAL_IDS, optional("prompt_id")]
    rows = may_match(read(_TYPE, columns=columns, prefilter=may_match))
    if "prompt_id" not in rows.column_names or rows["prompt_id"].null_count:
        rows = matches(read(_TYPE, columns=[*columns, *TEXTS], prefilter=matches))
    return rows
