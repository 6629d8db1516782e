"""Queries one prompt: its completions, visit by visit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logflume.exceptions import QueryError
from logflume.query.columns import check, optional
from logflume.query.event_ids import IDS, OPTIONAL_IDS, read_same
from logflume.query.groupings import group_rows, texts_of
from logflume.query.prompt_ids import TEXTS, prompt_ids
from logflume.query.solved import SOLVED_COLUMNS, solved_or_null
from logflume.query.visits import ORDER, Mode, add_ids, check_mode, of_mode

__all__ = ["read_prompt"]

_TYPE = "model_output"
_KEYS = [*map(optional, ["generation", "group", "index", "prompt_id"])]
_ORDER_OF_VISITS = [name for name in ORDER if name != "prompt_id"]
_ORDER_IN_VISIT = ["index", "rank", "process", "seq"]


def read_prompt(
    read: Callable[..., pa.Table],
    prompt_id: str,
    *,
    mode: Mode | None,
    solved: float | None,
    columns: Sequence[str] | None,
) -> pa.Table:
    """Return the completions of a prompt, in the order of its visits.

    Args:
        read: Returns the events of a type, with some of their columns.
        prompt_id: The prompt.
        mode: Only visits of training or of evaluation; None: both.
        solved: The total reward from which a completion solves its prompt, where correctness was
            not measured.
        columns: Names and patterns of the columns to return; None: all.

    Raises:
        QueryError: There is no such prompt or column.
    """
    check_mode(mode)
    rows = _find(read, prompt_id)
    needed = None if columns is None else [*columns, *SOLVED_COLUMNS, *_KEYS, "step", "mode"]
    _, events = read_same(read, _TYPE, rows, needed)
    visits = add_ids(of_mode(events, None))
    if "index" not in visits.column_names:
        visits = visits.append_column("index", pa.nulls(len(visits), pa.int64()))
    if mode is not None:
        is_of_mode = pc.equal(visits["mode"], pa.scalar(mode))
        events, visits = events.filter(is_of_mode), visits.filter(is_of_mode)
    if not len(events):
        raise QueryError(
            f"prompt {prompt_id!r}: no completion has this prompt"
            + ("" if mode is None else f" in mode {mode!r}")
            + "; `prompts` lists the ids of all prompts"
        )
    numbers = group_rows(visits, _ORDER_OF_VISITS).of_row
    visits = visits.append_column("logflume/visit", pa.array(numbers))
    order = group_rows(visits, ["logflume/visit", *_ORDER_IN_VISIT]).of_row
    rank = pa.array(np.argsort(order, kind="stable"), pa.int64())
    available = events.column_names
    names = available if columns is None else check(columns, available, _TYPE)
    result = events.select([name for name in names if name not in ("visit", "solved")])
    result = result.add_column(0, "visit", pa.array(numbers))
    return result.add_column(1, "solved", solved_or_null(events, solved)).take(rank)


def _find(read: Callable[..., pa.Table], prompt_id: str) -> pa.Table:
    """Return the ids of the completions of a prompt.

    Texts of prompts are read only where their ids are missing.
    """

    def may_match(rows: pa.Table) -> pa.Table:
        if "prompt_id" not in rows.column_names:
            return rows
        ids = texts_of(rows, "prompt_id")
        return rows.filter(pc.fill_null(pc.equal(ids, pa.scalar(prompt_id)), True))

    def matches(rows: pa.Table) -> pa.Table:
        return rows.filter(pc.equal(prompt_ids(rows), pa.scalar(prompt_id)))

    columns = [*IDS, *OPTIONAL_IDS, optional("prompt_id")]
    rows = may_match(read(_TYPE, columns=columns, prefilter=may_match))
    if "prompt_id" not in rows.column_names or rows["prompt_id"].null_count:
        rows = matches(read(_TYPE, columns=[*columns, *TEXTS], prefilter=matches))
    return rows
