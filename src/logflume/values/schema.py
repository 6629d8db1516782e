"""The JSON Schema of the event stream, generated from the catalogue."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from logflume.events.catalogue import CATALOGUE, SCHEMA_VERSION
from logflume.events.reserved import EXCEPTION_FAMILIES, RESERVED_NAMES, EventBase, Families
from logflume.values.declared import kind_of_annotation
from logflume.values.kinds import KINDS

__all__ = ["event_schema"]

_ANY_FIELD: dict[str, Any] = {
    "type": ["boolean", "number", "string", "array", "null"],
    "items": {"type": ["number", "string", "null"]},
}
_END = r"$(?!\n)"
"""Matches the end of a name. In Python, `$` alone also matches before a trailing newline."""
_REQUIRED = ("timestamp", "level", "logger", "event", "run", "attempt", "rank", "seq", "step")


def event_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a journal's lines.

    It constrains the reserved names of every event, and the declared fields of events of a declared
    type. Additional fields are allowed: numbers, text, booleans, nulls, and lists of these.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://logflume.dev/schema/{SCHEMA_VERSION}/event.json",
        "title": "logflume event",
        "description": "One line of events.jsonl.",
        "type": "object",
        "properties": _properties(EventBase),
        "required": list(_REQUIRED),
        "additionalProperties": _ANY_FIELD,
        "allOf": [
            {
                "if": {"properties": {"event": {"const": name}}},
                "then": {"$ref": f"#/$defs/{name}"},
            }
            for name in CATALOGUE
        ],
        "$defs": {name: _declared(declared) for name, declared in CATALOGUE.items()},
    }


def _declared(declared: type[EventBase]) -> dict[str, Any]:
    own = _properties(declared)
    for name in RESERVED_NAMES:
        own.pop(name, None)
    return {
        "description": (declared.__doc__ or "").partition("\n")[0],
        "properties": own,
        "patternProperties": _patterns({**EXCEPTION_FAMILIES, **declared.families}),
    }


def _properties(declared: type[EventBase]) -> dict[str, Any]:
    """Return the schemas of a type's fields, with descriptions and units."""
    schema = msgspec.json.schema(declared)
    properties: dict[str, Any] = schema["$defs"][declared.__name__]["properties"]
    for described in properties.values():
        described.pop("default", None)
    return properties


def _patterns(families: Families) -> dict[str, Any]:
    """Return schemas by pattern; a name that matches two families has the longer one's schema."""
    patterns: dict[str, Any] = {}
    for family, (annotation, description) in families.items():
        longer = [
            other.removeprefix(family)
            for other in families
            if other != family and other.startswith(f"{family}/")
        ]
        body = ".+".join(re.escape(part) for part in family.split("*"))
        endings = "|".join(re.escape(ending).replace(r"\*", ".+") for ending in longer)
        guard = f"(?!{body}(?:{endings}){_END})" if endings else ""
        schema = _schema_of(annotation)
        patterns[f"^{guard}{body}{_END}"] = {**schema, "description": description}
    return patterns


def _schema_of(annotation: Any) -> dict[str, Any]:
    kind = kind_of_annotation(annotation)
    return _ANY_FIELD if kind is None else KINDS[kind].json_schema
