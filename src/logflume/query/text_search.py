"""Finds completions by their texts: a plain text, or a regular expression of RE2."""

from __future__ import annotations

from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from logflume.exceptions import QueryError
from logflume.query.columns import optional
from logflume.query.groupings import texts_of

__all__ = ["SEARCHED", "check_pattern", "contains"]

_FIELDS = ("model_output", "prompt", "question")

SEARCHED = [optional(name) for name in _FIELDS]
"""The columns that are searched."""


def check_pattern(search: str, *, regex: bool) -> None:
    """Raise an error if a text can't be searched.

    Raises:
        QueryError: It is not a regular expression of RE2.
    """
    if not isinstance(search, str):
        raise QueryError(f"search={search!r}: expected a text; for a pattern, add regex=True")
    if regex:
        _match(pa.array([""]), search, regex)


def contains(completions: pa.Table, search: str, *, regex: bool) -> Any:
    """Return whether each completion, or its prompt, contains a text. Shape [completions].

    Args:
        completions: The completions, with the columns `SEARCHED`.
        search: The text, whose case is ignored; or the regular expression, whose case matters.
        regex: Whether it is a regular expression. RE2 takes linear time for any of them.

    Raises:
        QueryError: It is not a regular expression of RE2.
    """
    masks = [
        pc.fill_null(_match(texts_of(completions, name), search, regex), False)
        for name in _FIELDS
        if name in completions.column_names
    ]
    none = pa.array([False] * len(completions), pa.bool_())
    return reduce(pc.or_, masks, none)


def _match(texts: Any, search: str, regex: bool) -> Any:
    try:
        if regex:
            return pc.match_substring_regex(texts, search)
        return pc.match_substring(texts, search, ignore_case=True)
    except (pa.ArrowInvalid, UnicodeEncodeError) as error:
        raise QueryError(f"search={search!r}: {str(error).removeprefix('Invalid ')}") from error
