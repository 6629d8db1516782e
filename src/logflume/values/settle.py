"""Values and names as processors of strangers may leave them, plain again."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from logflume.guard import Failure, attempt
from logflume.values.fit import INT64_MAX
from logflume.values.plain import MAX_TEXT, PLAIN_TYPES, plain, valid_text
from logflume.values.snapshot import free_name, key_text, snapshot

__all__ = ["clean_name", "is_tame", "settle", "settle_mapping"]


def settle(value: Any) -> Any:
    """Return a value plain again."""
    if type(value) in PLAIN_TYPES:
        return value
    settled = attempt(plain, value)
    # A list that holds itself ends here; a snapshot knows how to cut it.
    return plain(snapshot(value)) if isinstance(settled, Failure) else settled


def settle_mapping(extras: Any) -> dict[str, Any]:
    """Return what an event has in its field `extras` as a mapping, plain again."""
    settled = settle(extras)
    if isinstance(settled, dict):
        return settled
    return {} if settled is None else {"extras": settled}


def is_tame(value: Any) -> bool:
    """Whether a bool, int, float or text is within the limits of its column."""
    kind = type(value)
    if kind is float:
        return math.isfinite(value)
    if kind is str:
        return value.isascii() and len(value) <= MAX_TEXT
    return kind is bool or abs(value) <= INT64_MAX


def clean_name(name: Any, taken: Collection[Any]) -> str:
    """Return a name as valid text; one that has to be changed must not become another's."""
    if type(name) is str and name.isascii():
        return name
    text = valid_text(key_text(name))
    return text if text == name else free_name(text, taken)
