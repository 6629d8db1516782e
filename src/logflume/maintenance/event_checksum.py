"""A checksum of what an event says, the same for the journal's form and for that of a table."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from logflume.values.plain import nonfinite_name, read_object

__all__ = ["event_checksum", "microseconds"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NO_MEANING = frozenset({"attempt", "seq", "extras", "nonfinite"})
_TEXT = "extras!"
"""What stands for an `extras` that is no JSON object."""


def event_checksum(fields: Mapping[str, Any]) -> int:
    """Return the checksum of all fields, those in `extras` included, the event's position not.

    A table has no empty list where a column came later, and no `nonfinite`; these don't count.
    """
    says = _read_extras(fields.get("extras"))
    says.update(item for item in fields.items() if item[1] is not None)
    kept = {
        name: told
        for name, value in says.items()
        if name not in _NO_MEANING and (told := _tell(name, value)) is not None
    }
    return zlib.crc32(repr(sorted(kept.items())).encode("utf-8", "backslashreplace"))


def microseconds(instant: str) -> int | str:
    """Return a timestamp as microseconds since 1970; the text itself if it is none."""
    try:
        return (datetime.fromisoformat(instant) - _EPOCH) // _MICROSECOND
    except (ValueError, TypeError):
        return instant


def _tell(name: str, value: Any) -> Any:
    """Return the value in one form: 1.0 is 1, and a list without values is none."""
    if name == "timestamp" and isinstance(value, str):
        return microseconds(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return nonfinite_name(value)
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        told = [_tell("", item) for item in value]
        return told if any(item is not None for item in told) else None
    if isinstance(value, dict):
        return sorted((key, _tell("", item)) for key, item in value.items()) or None
    return value


def _read_extras(text: Any) -> dict[str, Any]:
    found = read_object(text)
    if "extras" in found:  # a text that is no object, or was put beside what didn't fit a column
        found[_TEXT] = found.pop("extras")
    return found
