"""Reads further columns of events that a query has selected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from logflume.query.columns import optional
from logflume.query.groupings import number_together
from logflume.query.prompt_ids import TEXTS, question_texts

__all__ = ["IDS", "OPTIONAL_IDS", "read_questions", "read_same", "seqs_of"]

IDS = ["run", "rank", "attempt", "seq"]
"""The columns that identify an event, with `process` where it exists."""

OPTIONAL_IDS = [optional("process")]
"""Forked children number their events separately. Without any, the column doesn't exist."""


def read_same(
    read: Callable[..., pa.Table], event_type: str, rows: pa.Table, columns: Sequence[str] | None
) -> tuple[pa.Table, pa.Table]:
    """Return the events that `rows` identifies, and these rows, both in the order of `rows`.

    In a live run, an event may have become one of an earlier attempt; its row is omitted.

    Args:
        read: Returns the events of a type, with some of their columns.
        event_type: The type of the events.
        rows: Events with the columns that identify them.
        columns: Names and patterns of the columns to return; None: all.
    """
    events, indices = _find(read, event_type, rows, columns)
    return rows.filter(indices.is_valid()), events.take(indices.drop_null())


def read_questions(read: Callable[..., pa.Table], rows: pa.Table) -> Any:
    """Return the question of each completion, or its prompt where no question was logged."""
    events, indices = _find(read, "model_output", rows, TEXTS)
    return question_texts(events).take(indices)


def _find(
    read: Callable[..., pa.Table], event_type: str, rows: pa.Table, columns: Sequence[str] | None
) -> tuple[pa.Table, Any]:
    """Return events, and the index of the one for each row; null if there is none."""
    needed = None if columns is None else [*columns, *IDS, *OPTIONAL_IDS]
    events = read(event_type, columns=needed, seqs=seqs_of(rows))
    wanted, found, count = number_together(rows, events, [*IDS, "process"])
    index = np.full(count, -1)
    index[found] = np.arange(len(events))
    indices = index[wanted]
    return events, pa.array(indices, mask=indices < 0)


def seqs_of(rows: pa.Table) -> dict[tuple[str, int], list[int]]:
    """Return the `seq` numbers of some events, by run and rank, sorted."""
    seqs: dict[tuple[str, int], list[int]] = {}
    ids: Any = rows.select(["run", "rank", "seq"]).to_pydict()
    for run, rank, seq in zip(*ids.values(), strict=True):
        seqs.setdefault((run, rank), []).append(seq)
    return {source: sorted(set(of_source)) for source, of_source in seqs.items()}
