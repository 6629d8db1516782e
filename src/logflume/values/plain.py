"""Any value of a snapshot as a plain one: None, bool, int, float, str, lists and dicts of these."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Any

import orjson

from logflume.guard import Failure, call_guarded, describe
from logflume.values.snapshot import PendingArray, key_text, snapshot, unique_name

__all__ = [
    "MAX_TEXT",
    "PLAIN_TYPES",
    "are_floats",
    "json_text",
    "nonfinite_name",
    "note_nonfinite",
    "plain",
    "read_object",
    "valid_text",
]

MAX_TEXT = 1_000_000
"""Characters of a text that are kept; the length of a longer one is noted in `extras`."""

PLAIN_TYPES = frozenset({int, float, bool, type(None)})
"""Types whose values are plain as they are."""

_FLOATS = frozenset({float})

_LONG_BITS = 14_000
"""Python refuses to write longer integers in decimal; these are written in hexadecimal."""


def plain(value: Any) -> Any:
    """Return the plain form of a value. Never raises for what `snapshot` returns.

    Text is made valid UTF-8 (a lone surrogate becomes its escape), dates become RFC 3339, a
    timedelta its seconds, an array its lists; anything else becomes its text.
    """
    kind = type(value)
    if kind in PLAIN_TYPES:
        return value
    if kind is str:
        return valid_text(value)
    if kind is list:
        return value if PLAIN_TYPES.issuperset(map(type, value)) else [plain(v) for v in value]
    if kind is dict:
        return _plain_mapping(value)
    result = call_guarded(_convert, value)
    if isinstance(result, Failure):
        name = "array" if kind is PendingArray else kind.__name__
        return f"<{name} that could not be read: {describe(result.error)}>"
    return result


def _plain_mapping(value: dict[Any, Any]) -> dict[str, Any]:
    copy: dict[str, Any] = {}
    for key, item in value.items():
        copy[unique_name(valid_text(key_text(key)), copy)] = plain(item)
    return copy


def _convert(value: Any) -> Any:
    if isinstance(value, PendingArray):
        return plain(value.tolist())
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    copied = snapshot(value)  # a processor may leave anything behind, NumPy's numbers say
    return valid_text(str(value)) if copied is value else plain(copied)


def are_floats(values: Iterable[Any]) -> bool:
    """Whether all values are floats, and none of them one of a class of its own."""
    return _FLOATS.issuperset(map(type, values))


def valid_text(text: str) -> str:
    r"""Return text that can be written as UTF-8: lone surrogates become escapes like `\udc80`."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def json_text(value: Any) -> str:
    """Return a plain value as compact JSON text; NaN and infinities become strings."""
    if type(value) is dict and all(map(_is_simple, value.values())):
        return orjson.dumps(value).decode()
    return json.dumps(_writable(value), ensure_ascii=False, separators=(",", ":"))


def _is_simple(value: Any) -> bool:
    """Whether `orjson`, which is faster, writes a value as it is."""
    kind = type(value)
    return (
        kind is bool
        or (kind is int and -(2**63) <= value < 2**63)
        or (kind is float and math.isfinite(value))
        or (kind is str and value.isascii())
    )


def _writable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return nonfinite_name(value)
    if isinstance(value, int) and value.bit_length() > _LONG_BITS:
        return hex(value)
    if isinstance(value, list):
        return [_writable(item) for item in value]
    if isinstance(value, dict):
        return {key: _writable(item) for key, item in value.items()}
    return value


def nonfinite_name(value: float) -> str:
    """Return the name that stands for a non-finite number: NaN, Infinity or -Infinity."""
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def note_nonfinite(nonfinite: dict[str, str], name: str, value: Any) -> None:
    """Note the NaN and infinities of a field's value, as an event's `nonfinite` has them."""
    if type(value) is float:
        if not math.isfinite(value):
            nonfinite[name] = nonfinite_name(value)
    elif type(value) is list and value and type(value[0]) is not str:
        for index, item in enumerate(value):
            if type(item) is float and not math.isfinite(item):
                nonfinite[f"{name}.{index}"] = nonfinite_name(item)


def read_object(text: Any) -> dict[str, Any]:
    """Return what the text of `extras` holds; what is no JSON object is its one item, `extras`."""
    if text is None:
        return {}
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"extras": text}
