"""Checksum of an event that doesn't depend on the format in which it is stored."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from logflume.events.times import to_microseconds
from logflume.values.plain import nonfinite_name, read_object

__all__ = ["event_checksum"]

_IGNORED = frozenset({"attempt", "seq", "extras", "nonfinite"})
_INVALID_EXTRAS = "extras!"
"""Name for the content of an `extras` that is not a JSON object."""


def event_checksum(fields: Mapping[str, Any]) -> int:
    """Return the checksum of all fields of an event, except its position.

    Fields in `extras` count like any other. Lists without values and `nonfinite` are ignored: a
    table can't represent an empty list where a column was added later, and has no `nonfinite`.
    """
    values = _read_extras(fields.get("extras"))
    values.update(item for item in fields.items() if item[1] is not None)
    canonical = {
        name: normalized
        for name, value in values.items()
        if name not in _IGNORED and (normalized := _normalize(name, value)) is not None
    }
    return zlib.crc32(repr(sorted(canonical.items())).encode("utf-8", "backslashreplace"))


def _normalize(name: str, value: Any) -> Any:
    """Return the canonical form of a value: 1.0 becomes 1, a list without values None."""
    if name == "timestamp" and isinstance(value, str):
        with suppress(ValueError):
            return to_microseconds(value)
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            return nonfinite_name(value)
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        items = [_normalize("", item) for item in value]
        return items if any(item is not None for item in items) else None
    if isinstance(value, dict):
        return sorted((key, _normalize("", item)) for key, item in value.items()) or None
    return value


def _read_extras(text: Any) -> dict[str, Any]:
    fields = read_object(text)
    if "extras" in fields:  # not a JSON object, or a field named `extras` kept with the misfits
        fields[_INVALID_EXTRAS] = fields.pop("extras")
    return fields
