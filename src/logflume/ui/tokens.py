"""The tokens of a completion, for those that were kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from logflume.query.columns import optional

if TYPE_CHECKING:
    from logflume.query.open_run import Run

__all__ = ["ids_with_tokens", "read_tokens"]

_MAX_TOKENS = 20_000
_LISTS = ("token_id", "piece", "logprob", "sampler_logprob", "ref_logprob", "ratio", "mask")


def read_tokens(run: Run, completion: str, step: int | None) -> dict[str, Any]:
    """Return what `run.tokens` knows about the tokens of a completion, as lists.

    What the trainer did not know about any of them is left out. `count` is the number of tokens,
    of which at most 20,000 are returned.

    Args:
        run: The run.
        completion: The completion's id.
        step: Its step, which makes it faster to find.

    Raises:
        QueryError: It has no tokens.
    """
    table = run.tokens(completion, steps=step).arrow
    kept = table.slice(0, _MAX_TOKENS)
    lists = {name: kept[name] for name in _LISTS if kept[name].null_count < len(kept)}
    return {"count": len(table)} | {name: column.to_pylist() for name, column in lists.items()}


def ids_with_tokens(run: Run, step: int) -> set[Any]:
    """Return the ids of the completions of a step whose tokens were kept."""
    # A pattern, because most runs have no such events.
    events = run.events("tokens", columns=[optional("id")], steps=step).arrow
    return set(pc.unique(events["id"]).to_pylist()) if "id" in events.column_names else set()
