"""Queries the tokens of completions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from logflume.exceptions import QueryError
from logflume.query.columns import with_columns
from logflume.query.event_ids import seqs_of
from logflume.query.groupings import row_number_in_group

__all__ = ["read_tokens"]

_TYPE = "tokens"
_KEYS = ["run", "step", "mode", "id"]
_TOKEN_IDS = "token_ids"
_LISTS = {
    _TOKEN_IDS: "token_id",
    "pieces": "piece",
    "logprob": "logprob",
    "sampler_logprob": "sampler_logprob",
    "ref_logprob": "ref_logprob",
    "ratio": "ratio",
    "mask": "mask",
}
"""The fields of a `tokens` event, and the columns of the result."""


def read_tokens(read: Callable[..., pa.Table], completion: str | None) -> pa.Table:
    """Return one row for each token of one completion, or of all that have tokens.

    Args:
        read: Returns the events of a type, with some of their columns.
        completion: The id of the completion; None: all.

    Raises:
        QueryError: There are no tokens of this completion.
    """
    columns = [*_KEYS, *_LISTS]
    if completion is None:
        return _rows(read(_TYPE, columns=columns))
    # The ids first: the tokens of a long run may not fit into memory.
    ids = read(_TYPE, columns=["run", "rank", "seq", "id"])
    found = ids.filter(pc.equal(ids["id"], pa.scalar(completion)))
    if not len(found):
        raise QueryError(_no_tokens(read, completion, ids["id"].to_pylist()))
    candidates = read(_TYPE, columns=columns, seqs=seqs_of(found))
    return _rows(candidates.filter(pc.equal(candidates["id"], pa.scalar(completion))))


def _no_tokens(read: Callable[..., pa.Table], completion: str, recorded: list[Any]) -> str:
    if not recorded:
        return (
            "No tokens were recorded. attach(trainer, tokens=best_and_worst(2)) records those of "
            "the two best and the two worst completions of each batch"
        )
    known: list[Any] = read("model_output", columns=["id*"])["id"].to_pylist()
    what = "has no tokens" if completion in known else "is not the id of a completion"
    return (
        f"{completion!r} {what}. Tokens were recorded for {len(recorded):,} completions, such as "
        f"{recorded[-1]!r}; the column `id` of tokens() has them all"
    )


def _rows(events: pa.Table) -> pa.Table:
    """Return one row for each item of the lists of events."""
    ids = events[_TOKEN_IDS].combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(ids), 0)
    parents = pc.list_parent_indices(ids)
    columns = {"position": pa.array(row_number_in_group(parents.to_numpy()))}
    for field, name in _LISTS.items():
        columns[name] = _items(events[field].combine_chunks(), lengths)
    return with_columns(events.select(_KEYS).take(parents), columns)


def _items(lists: Any, lengths: Any) -> Any:
    """Return the items of lists, nulls where an event has no list of the expected length."""
    is_complete = pc.fill_null(pc.equal(pc.list_value_length(lists), lengths), False)
    if pc.all(is_complete, min_count=0).as_py():
        return pc.list_flatten(lists)
    items: list[Any] = []
    for values, length in zip(lists.to_pylist(), lengths.to_pylist(), strict=True):
        padded = [*(values or ())[:length]]
        items += [*padded, *[None] * (length - len(padded))]
    return pa.array(items, lists.type.value_type)
