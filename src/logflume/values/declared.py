"""Kinds and aggregates of fields: those that the catalogue declares, and the kinds in `run.json`.

A field that its event type declares (`logflume.events.catalogue`) has the declared kind. Any other
field gets the kind of its first value and keeps it for the whole run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from logflume.events.catalogue import CATALOGUE
from logflume.events.reserved import EXCEPTION_FAMILIES, Aggregate, EventBase
from logflume.exceptions import RunError
from logflume.guard import unended
from logflume.values.kinds import KINDS, Kind

__all__ = [
    "declared_aggregate",
    "declared_columns",
    "declared_kind",
    "kind_of_annotation",
    "read_kinds",
]


def read_kinds(stored: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, Kind]]:
    """Parse the kinds of fields in `run.json`, by event type and field.

    Raises:
        RunError: A kind is unknown.
    """
    try:
        return {
            event_type: {name: Kind(kind) for name, kind in fields.items()}
            for event_type, fields in stored.items()
        }
    except ValueError as error:
        raise RunError(
            f"run.json: {unended(error)}. The run was written by a newer version of logflume: "
            "continue it with that version, or choose another run id."
        ) from error


def kind_of_annotation(annotation: Any) -> Kind | None:
    """Return the kind of a type annotation; None for `Any` and mappings.

    >>> kind_of_annotation(list[float | None])
    <Kind.NUMBERS: 'numbers'>
    """
    origin = get_origin(annotation)
    if origin is Annotated:
        return kind_of_annotation(get_args(annotation)[0])
    if origin in (Union, UnionType):
        (inner,) = (arg for arg in get_args(annotation) if arg is not NoneType)
        return kind_of_annotation(inner)
    if origin is Literal:
        return Kind.TEXT
    if origin is list:
        item = kind_of_annotation(get_args(annotation)[0])
        return _find_kind(float if item is None else KINDS[item].python_type, is_list=True)
    return _find_kind(annotation, is_list=False)


def _find_kind(python_type: Any, *, is_list: bool) -> Kind | None:
    for kind, spec in KINDS.items():
        if spec.python_type is python_type and spec.is_list is is_list:
            return kind
    return None


@lru_cache
def declared_columns(event_type: str) -> dict[str, Kind]:
    """Return the columns that every event of this type has, reserved names first.

    An undeclared type has only the reserved names. `nonfinite` and `process` are not columns: the
    former is a mapping, and only forked children have the latter, which write only a journal.
    """
    kinds = {name: kind_of_annotation(one) for name, one in _annotations(event_type).items()}
    return {name: kind for name, kind in kinds.items() if kind is not None and name != "process"}


@lru_cache
def _annotations(event_type: str) -> dict[str, Any]:
    """Return the annotations of the fields that an event type declares, reserved names first."""
    annotations: dict[str, Any] = {}
    for declared in (EventBase, CATALOGUE.get(event_type, EventBase)):
        hints = get_type_hints(declared, include_extras=True)
        for item in msgspec.structs.fields(declared):
            annotations[item.encode_name] = hints[item.name]
    return annotations


@lru_cache(maxsize=8192)
def declared_kind(event_type: str, name: str) -> Kind | None:
    """Return the declared kind of a field, from families too; None if it is not declared."""
    if kind := declared_columns(event_type).get(name):
        return kind
    if name in EXCEPTION_FAMILIES:
        return kind_of_annotation(EXCEPTION_FAMILIES[name][0])
    family = _find_family(event_type, name)
    return None if family is None else kind_of_annotation(family)


@lru_cache(maxsize=8192)
def declared_aggregate(event_type: str, name: str) -> Aggregate | None:
    """Return the declared aggregate of a field, from families too; None if it declares none."""
    annotation = _annotations(event_type).get(name, _find_family(event_type, name))
    metas = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return next((meta.extra["aggregate"] for meta in metas if meta.extra), None)


def _find_family(event_type: str, name: str) -> Any:
    """Return the annotation of the family of fields that a name belongs to; None without one."""
    declared = CATALOGUE.get(event_type)
    if declared is None:
        return None
    matches = [key for key in declared.families if _pattern(key).fullmatch(name)]
    if not matches:
        return None
    # The most literal pattern wins: `rewards/*/mean` before `rewards/*`.
    best = max(matches, key=lambda key: len(key.replace("*", "")))
    return declared.families[best][0]


@lru_cache
def _pattern(family: str) -> re.Pattern[str]:
    return re.compile(".+".join(re.escape(part) for part in family.split("*")), re.DOTALL)
