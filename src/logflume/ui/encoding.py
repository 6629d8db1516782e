"""Turns the answers of queries into JSON that JavaScript reads without loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

__all__ = ["MAX_TEXT", "encode", "shorten_texts"]

MAX_TEXT = 100_000
"""Characters of a text in an answer. The page links to the whole text."""

_MAX_EXACT = 1 << 53
"""The largest integer up to which JavaScript numbers are exact."""


def encode(answer: Any) -> bytes:
    """Return an answer as JSON.

    NaN and infinities become the texts `NaN`, `Infinity` and `-Infinity`, as JavaScript names them.
    Integers that a JavaScript number can't hold become texts as well.
    """
    return orjson.dumps(_plain(answer))


def shorten_texts(row: dict[str, Any], limit: int = MAX_TEXT) -> dict[str, Any]:
    """Return a row with texts of at most `limit` characters.

    If there are longer ones, `shortened` has their numbers of characters, by field.
    """
    lengths = {
        name: len(value)
        for name, value in row.items()
        if isinstance(value, str) and len(value) > limit
    }
    if not lengths:
        return row
    return {**row, **{name: row[name][:limit] for name in lengths}, "shortened": lengths}


def _plain(value: Any) -> Any:
    match value:
        case None | bool():
            return value
        case str():
            return value.encode(errors="replace").decode()  # names of files may have surrogates
        case float():
            return value if math.isfinite(value) else _name(value)
        case int():
            return value if abs(value) < _MAX_EXACT else str(value)
        case dict():
            return {_plain(str(name)): _plain(one) for name, one in value.items()}
        case Sequence():
            return [_plain(one) for one in value]
        case datetime():
            return value.isoformat()
        case _:
            return _plain(str(value))


def _name(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
