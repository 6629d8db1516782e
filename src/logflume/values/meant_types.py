"""Misspelt event types: the declared type that an undeclared one was probably meant to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from logflume.events.catalogue import CATALOGUE, Training
from logflume.events.reserved import EXCEPTION_FAMILIES, RESERVED_FOR_PIPELINE, RESERVED_NAMES
from logflume.values.coerce import coerce
from logflume.values.declared import declared_kind
from logflume.values.kinds import MISFIT, Kind, find_kind
from logflume.values.plain import plain

__all__ = ["find_meant_type"]

_LOGGED_BY_USERS = CATALOGUE.keys() - {"run_started", "run_finished", "exception", "pipeline"}

_COMMON_FIELDS = RESERVED_NAMES | RESERVED_FOR_PIPELINE | EXCEPTION_FAMILIES.keys()
"""Fields that say nothing about the type of an event."""

_MIN_EDITED_LENGTH = 5
"""Shorter words are similar by chance: `rank` and `bank`."""


def find_meant_type(event_type: str, fields: Mapping[str, Any]) -> str | None:
    """Return the declared type that an event of an undeclared one was probably meant to have.

    The names differ only in case, separators, a plural `s`, or by one edit that keeps the first
    letter, and a field fits the declared type. After an edit, which makes other words too, it must
    be one that the type declares.

    >>> find_meant_type("rewards", {"correctness": [2.0, 0.0]})
    'reward'
    >>> find_meant_type("trailing", {"queue": 3}), find_meant_type("trainer", {"loss": 0.5})
    (None, None)
    """
    folded = _fold(event_type)
    for declared in CATALOGUE:
        other = _fold(declared)
        is_same_word = folded == other
        if (is_same_word or _is_one_edit_away(folded, other)) and declared in _LOGGED_BY_USERS:
            values = {name: v for name, v in fields.items() if name not in _COMMON_FIELDS}
            if any(_fits(declared, name, plain(v), is_same_word) for name, v in values.items()):
                return declared
    return None


def _fold(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "").removesuffix("s")


def _is_one_edit_away(one: str, other: str) -> bool:
    """Whether one letter, not the first, is missing, added, another, or swapped with the next."""
    short, long = sorted((one, other), key=len)
    if len(short) < _MIN_EDITED_LENGTH - 1 or len(long) < _MIN_EDITED_LENGTH:
        return False
    same = next(
        (i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short)
    )
    a, b = short[same:], long[same:]
    if not same or len(long) - len(short) > 1:
        return False
    if len(short) < len(long):
        return a == b[1:]
    return a[1:] == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])


def _fits(declared: str, name: str, value: Any, is_same_word: bool) -> bool:
    """Whether a field is one that events of the declared type have."""
    if value is None:
        return False
    if kind := declared_kind(declared, name):
        return coerce(value, kind, True) is not MISFIT
    if declared == "reward":
        lists = list(value.values()) if isinstance(value, dict) and value else [value]
        return all(isinstance(one, list) and find_kind(one) is Kind.NUMBERS for one in lists)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_same_word and is_number and issubclass(CATALOGUE[declared], Training)
