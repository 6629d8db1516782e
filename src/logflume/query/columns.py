"""Columns of tables: selecting them by name or pattern, adding them, and joining schemas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

import pyarrow as pa

from logflume.config.errors import suggest
from logflume.exceptions import QueryError

__all__ = [
    "PATTERN",
    "check",
    "holds_numbers",
    "is_optional",
    "join_schemas",
    "match",
    "optional",
    "with_columns",
]

PATTERN = frozenset("*?[")
"""Characters that make a name a pattern."""


def optional(name: str) -> str:
    """Return a pattern for exactly this column, which, unlike a plain name, need not exist."""
    return f"[{name[0]}]{name[1:]}"


def is_optional(name: str) -> bool:
    """Whether a name is one that `optional` returns."""
    return name[:1] == "[" and name[2:3] == "]" and not set(name[3:]) & PATTERN


def match(requested: Sequence[str] | None, available: Sequence[str]) -> list[str]:
    """Return the requested columns that are available, in the order requested.

    Args:
        requested: Names and patterns (`rewards/*/mean`); None: all.
        available: The available columns.
    """
    if requested is None:
        return list(available)
    return list(_match(tuple(requested), tuple(available)))


@lru_cache(maxsize=256)
def _match(requested: tuple[str, ...], available: tuple[str, ...]) -> dict[str, None]:
    # Cached, because many files have the same columns.
    matches: dict[str, None] = {}
    for name in requested:
        if name in available:
            matches[name] = None
        elif set(name) & PATTERN:
            matches.update(dict.fromkeys(one for one in available if fnmatchcase(one, name)))
    return matches


def check(requested: Sequence[str] | None, available: Sequence[str], event_type: str) -> list[str]:
    """Return the same as `match`, but require every name that is not a pattern to exist.

    Raises:
        QueryError: There is no such column.
    """
    for name in requested or ():
        if name not in available and not set(name) & PATTERN:
            raise QueryError(
                f"events of type {event_type!r} have no field {name!r}; {suggest(name, available)}"
            )
    return match(requested, available)


def join_schemas(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """Return a schema with all columns.

    A column whose type differs becomes text, except that integers and numbers become numbers.
    """
    distinct: list[pa.Schema] = []
    for schema in schemas:
        if not any(schema.equals(known) for known in distinct):
            distinct.append(schema)
    if len(distinct) == 1 and distinct[0].metadata is None:
        return distinct[0]
    types: dict[str, pa.DataType] = {}
    for schema in distinct:
        for field in schema:
            known = types.setdefault(field.name, field.type)
            if known != field.type:
                are_numbers = holds_numbers(known) and holds_numbers(field.type)
                types[field.name] = pa.float64() if are_numbers else pa.string()
    return pa.schema(list(types.items()))


def holds_numbers(arrow_type: pa.DataType) -> bool:
    """Whether a column of this type holds numbers."""
    return bool(pa.types.is_floating(arrow_type) or pa.types.is_integer(arrow_type))


def with_columns(table: pa.Table, columns: Mapping[str, Any]) -> pa.Table:
    """Return a table with these columns: existing ones are replaced, others are appended."""
    for name, column in columns.items():
        index = table.schema.get_field_index(name)
        if index < 0:
            table = table.append_column(name, column)
        else:
            table = table.set_column(index, name, column)
    return table
