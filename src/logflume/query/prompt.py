"""Queries one prompt: its completions, visit by visit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logflume.exceptions import QueryError
from logflume.query.columns import check
from logflume.query.event_ids import IDS, OPTIONAL_IDS, read_same
from logflume.query.groupings import group_rows
from logflume.query.prompt_ids import TEXTS, prompt_ids
from logflume.query.solved import SOLVED_COLUMNS, solved_or_null
from logflume.query.visits import ORDER, Mode, add_ids, check_mode, of_mode, optional

__all__ = ["read_prompt"]

_TYPE = "model_output"
_PROMPT_ID = optional("prompt_id")
_KEYS = [*map(optional, ["generation", "group", "index", "id"]), *OPTIONAL_IDS]


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
    rows = of_mode(_find(read, prompt_id, columns=[*IDS, *_KEYS, "step", "mode"]), mode)
    if not len(rows):
        raise QueryError(
            f"prompt {prompt_id!r}: no completion has this prompt"
            + ("" if mode is None else f" in mode {mode!r}")
            + "; `prompts` lists the ids of all prompts"
        )
    rows = _in_order_of_visits(rows)
    needed = None if columns is None else [*columns, *SOLVED_COLUMNS]
    rows, events = read_same(read, _TYPE, rows, needed)
    names = (
        list(events.column_names) if columns is None else check(columns, events.column_names, _TYPE)
    )
    names = [name for name in names if name not in ("visit", "solved")]
    result = events.select(names).add_column(0, "visit", rows["visit"])
    return result.add_column(1, "solved", solved_or_null(events, solved))


def _find(read: Callable[..., pa.Table], prompt_id: str, columns: Sequence[str]) -> pa.Table:
    """Return the completions of a prompt. Texts of prompts are read only where ids are missing."""

    def may_match(rows: pa.Table) -> pa.Table:
        if "prompt_id" not in rows.column_names:
            return rows
        ids: Any = rows["prompt_id"].cast(pa.string())
        return rows.filter(pc.fill_null(pc.equal(ids, prompt_id), True))

    def matches(rows: pa.Table) -> pa.Table:
        return rows.filter(pc.equal(prompt_ids(rows), prompt_id))

    rows = may_match(read(_TYPE, columns=[*columns, _PROMPT_ID], prefilter=may_match))
    if "prompt_id" not in rows.column_names or rows["prompt_id"].null_count:
        columns = [*columns, _PROMPT_ID, *TEXTS]
        rows = matches(read(_TYPE, columns=columns, prefilter=matches))
    return add_ids(rows)


def _in_order_of_visits(rows: pa.Table) -> pa.Table:
    """Return the rows with the numbers of their visits, sorted by these, group and index."""
    rows = rows.append_column("visit", pa.array(group_rows(rows, ORDER).of_row))
    order = group_rows(rows, ["visit", "index", "rank", "process", "attempt", "seq"]).of_row
    return rows.take(pa.array(np.argsort(order, kind="stable")))
