"""Which columns are asked for, and one type for each where runs or ranks differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

import pyarrow as pa

from logflume.config.errors import nearest
from logflume.exceptions import QueryError

__all__ = ["PATTERN", "check", "holds_numbers", "join_schemas", "match"]

PATTERN = frozenset("*?[")
"""Characters that make a name a pattern."""


def match(asked: Sequence[str] | None, there: Sequence[str]) -> list[str]:
    """Return those of the columns that are asked for, in the order asked.

    Args:
        asked: Names and patterns (`rewards/*/mean`); None: all.
        there: The columns there are.
    """
    return list(there) if asked is None else list(_match(tuple(asked), tuple(there)))


@lru_cache(maxsize=256)
def _match(asked: tuple[str, ...], there: tuple[str, ...]) -> dict[str, None]:
    # Kept, for many files have the same columns.
    found: dict[str, None] = {}
    for name in asked:
        if name in there:
            found[name] = None
        elif set(name) & PATTERN:
            found.update(dict.fromkeys(one for one in there if fnmatchcase(one, name)))
    return found


def check(asked: Sequence[str] | None, there: Sequence[str], event_type: str) -> list[str]:
    """Return what `match` does, if each name that is no pattern is there.

    Raises:
        QueryError: There is no such column.
    """
    for name in asked or ():
        if name not in there and not set(name) & PATTERN:
            hint = nearest(name, there)
            raise QueryError(
                f"events of type {event_type!r} have no field {name!r}"
                + (f"; did you mean {hint!r}?" if hint else f"; they have {', '.join(there)}")
            )
    return match(asked, there)


def join_schemas(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """Return all columns; one that is of several types is text."""
    types: dict[str, pa.DataType] = {}
    for schema in schemas:
        for field in schema:
            known = types.setdefault(field.name, field.type)
            if known != field.type:
                types[field.name] = pa.string()
    return pa.schema(list(types.items()))


def holds_numbers(arrow_type: pa.DataType) -> bool:
    """Whether a column of this type holds numbers."""
    return bool(pa.types.is_floating(arrow_type) or pa.types.is_integer(arrow_type))
