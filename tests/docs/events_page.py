"""The event reference, generated from the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import msgspec

from logflume.events.catalogue import CATALOGUE, SCHEMA_VERSION, EventBase
from logflume.events.reserved import EXCEPTION_FAMILIES, Families
from logflume.values.aggregates import aggregate_of
from logflume.values.declared import kind_of_annotation
from tests.docs.tables import code, table

__all__ = ["events_page"]

_HEADER = ("field", "type", "unit", "meaning", "several in one step")

_INTRODUCTION = f"""# Events

This page is generated from `events/catalogue.py`, from which the JSON Schema (`logflume schema`)
and the Parquet columns come as well. The version of the schema is {SCHEMA_VERSION}; it is
incremented when a declared field changes its name, type or meaning.

An event is one flat JSON object. The first argument of a log call names its type when it is an
identifier and the call has fields, or the type is declared here; any other text is a `message`.
Your own types and fields need no declaration: a field keeps the type of its first value, and a
value that doesn't fit is kept in `extras`.

The last column of the tables states how several values of a step become one when they are read as
a metric: `mean` (weighted by `n` where there is one), `min`, `max`, `sum`, `std` (pooled) or
`last`. A `*` in a name stands for any text, such as the name of a reward function.

"""


def events_page() -> str:
    """Return the page as Markdown."""
    reserved = [_row("", field) for field in msgspec.structs.fields(EventBase)]
    sections = [
        "## Every event\n\n" + table(_HEADER[:4], (row[:4] for row in reserved)),
        "An event that is logged with `exc_info`, as `log.exception(…)` does, also has:\n\n"
        + table(_HEADER[:4], (row[:4] for row in _family_rows("", EXCEPTION_FAMILIES))),
        *(_section(name, declared) for name, declared in CATALOGUE.items()),
    ]
    return _INTRODUCTION + "\n".join(sections)


def _section(name: str, declared: type[EventBase]) -> str:
    """Return the section of an event type."""
    summary = " ".join((declared.__doc__ or "").split())
    inherited = set(EventBase.__struct_fields__)
    fields = [field for field in msgspec.structs.fields(declared) if field.name not in inherited]
    rows = [*(_row(name, field) for field in fields), *_family_rows(name, declared.families)]
    return f"## {code(name)}\n\n{summary}\n\n{table(_HEADER, rows)}"


def _row(event_type: str, field: msgspec.structs.FieldInfo) -> list[str]:
    """Return the row of a declared field."""
    meta = _meta(field.type)
    unit = str((meta.extra or {}).get("unit", "")) if meta else ""
    meaning = (meta.description or "") if meta else ""
    name, kind = field.encode_name, _kind(field.type)
    return [code(name), kind, unit, meaning, _aggregate(event_type, name, kind)]


def _family_rows(event_type: str, families: Families) -> Iterator[list[str]]:
    """Yield the rows of fields whose names follow a pattern."""
    for name, (annotation, meaning) in families.items():
        kind = _kind(annotation)
        yield [code(name), kind, "", meaning, _aggregate(event_type, name, kind)]


def _aggregate(event_type: str, name: str, kind: str) -> str:
    """Return how several values of a number become one; empty for what is no metric."""
    return aggregate_of(event_type, name) if kind in ("integer", "number") else ""


def _meta(annotation: Any) -> msgspec.Meta | None:
    """Return the description of an annotation."""
    if get_origin(annotation) is not Annotated:
        return None
    return next((arg for arg in get_args(annotation) if isinstance(arg, msgspec.Meta)), None)


def _kind(annotation: Any) -> str:
    """Return the kind of a field's column."""
    if annotation is Any:
        return "any"
    kind = kind_of_annotation(annotation)
    return "mapping" if kind is None else kind.value
