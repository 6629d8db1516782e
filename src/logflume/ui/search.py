"""Searches the completions of a whole run, and yields hits as soon as they are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import re2  # type: ignore[import-untyped]

from logflume.query.columns import optional
from logflume.query.open_run import Run
from logflume.ui.output_filter import OutputFilter

__all__ = ["Place", "search_run"]

_MAX_HITS = 50
_SNIPPET = 160
_BEFORE = 50
"""Characters of a snippet before the hit."""

_COLUMNS = [
    "attempt",
    "step",
    "mode",
    "generation",
    "group",
    "model_output",
    *map(optional, ("id", "index", "rewards/total", "question", "prompt")),
]
_SHOWN = ("attempt", "step", "mode", "generation", "group", "id", "index", "rewards/total")


class Place(NamedTuple):
    """Where a search continues: after a number of hits of a step.

    Attributes:
        step: The newest step to search; None: the last one of the run.
        skip: The number of hits of this step to skip.
    """

    step: int | None = None
    skip: int = 0

    def after(self, hits: Sequence[Mapping[str, Any]]) -> Place:
        """Return where a search continues that began here and had these hits, in order."""
        if not hits:
            return self
        step = hits[-1]["step"]
        of_step = sum(hit["step"] == step for hit in hits)
        return Place(step, of_step + (self.skip if step == self.step else 0))


def search_run(run: Run, wanted: OutputFilter, place: Place) -> Iterator[dict[str, Any]]:
    """Yield the completions that match, those of the newest steps first, and the progress.

    Each answer has `hits`, and how many of the `total` steps were `searched`. After 50 hits, it
    also says whether there may be `more`, and where the search continues (`next`). If the caller
    stops early, the remaining steps are not searched.

    Args:
        run: The run.
        wanted: Which completions.
        place: Where to begin.

    Raises:
        QueryError: A filter is invalid.
        RunError: The run is damaged.
    """
    find = _finder(wanted)
    left = _MAX_HITS
    for piece in wanted.search_run(run, _COLUMNS, place.step):
        rows = _newest_first(piece.outputs.to_pylist())
        # Hits are skipped in the first piece that has any of the step where the search begins.
        skip = place.skip if rows and rows[0]["step"] == place.step else 0
        chosen = rows[skip : skip + left]
        left -= len(chosen)
        has_more = len(rows) > skip + len(chosen) or (not left and piece.searched < piece.total)
        yield {
            "hits": [_hit(row, find) for row in chosen],
            "searched": piece.searched,
            "total": piece.total,
            "more": has_more,
            "next": place.after(chosen)._asdict() if has_more and chosen else None,
        }
        if not left:
            return


def _newest_first(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return completions by step, the newest first; those of a step in the order of logging."""
    return sorted(rows, key=lambda row: -row["step"] if row["step"] is not None else 0)


_Find: TypeAlias = Callable[[str], tuple[int, int] | None]
"""Returns where the first hit in a text begins and ends; None without one."""


def _finder(wanted: OutputFilter) -> _Find:
    if not wanted.search:
        return lambda _text: None
    # The same engine that found the completions: linear in time, whatever the pattern.
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = wanted.regex
    options.literal = not wanted.regex
    try:
        pattern = re2.compile(wanted.search, options)
    except (re2.error, UnicodeError):  # the query reports what is wrong with it
        return lambda _text: None

    def find(text: str) -> tuple[int, int] | None:
        try:
            found = pattern.search(text)
        except UnicodeError:
            return None
        return None if found is None else found.span()

    return find


def _hit(row: dict[str, Any], find: _Find) -> dict[str, Any]:
    hit = {name: row[name] for name in _SHOWN if name in row}
    question = row.get("question") or row.get("prompt") or ""
    return hit | {
        "mode": row["mode"] or "train",
        "question": _snippet(question, find),
        "text": _snippet(row["model_output"] or "", find),
    }


def _snippet(text: str, find: _Find) -> dict[str, Any]:
    """Return the surroundings of the first hit as three texts: `before`, `found` and `after`.

    Without a hit, `before` is the beginning of the text.
    """
    span = find(text)
    if span is None:
        return {"before": text[:_SNIPPET], "found": "", "after": ""}
    start, end = span[0], min(span[1], span[0] + _SNIPPET)
    first = max(0, start - _BEFORE)
    before = ("…" if first else "") + text[first:start]
    return {
        "before": before,
        "found": text[start:end],
        "after": text[end : max(end, first + _SNIPPET)],
    }
