"""Plain values: None, bool, int, float, str, and lists and dicts of these, of exactly these types.

`to_plain` converts any value to one, in the training process: the worker process gets nothing else.
`plain` also makes every text valid UTF-8; the worker uses it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable
from datetime import date, datetime, time, timedelta
from typing import Any

from logflume.guard import Failure, call_guarded, type_name, unreadable
from logflume.values.arrays import NumberList
from logflume.values.snapshot import PendingArray, key_text, snapshot, unique_name

__all__ = [
    "MAX_JSON_TEXT",
    "MAX_TEXT",
    "NONFINITE_NAMES",
    "PLAIN_TYPES",
    "are_floats",
    "brief_json",
    "clean_name",
    "json_text",
    "json_writable",
    "nonfinite_name",
    "note_nonfinite",
    "plain",
    "plain_mapping",
    "plain_names",
    "read_object",
    "to_plain",
    "valid_text",
]

MAX_TEXT = 1_000_000
"""Characters of a text that are kept; the length of a longer one is noted in `extras`."""

MAX_JSON_TEXT = 16_000_000
"""Characters of a field of `JSON_TEXT_FIELDS` that are kept."""

PLAIN_TYPES = frozenset({int, float, bool, type(None)})
"""Types whose values are always plain. A text may not be valid UTF-8."""

_EXACT_TYPES = PLAIN_TYPES | {str}

_FLOATS = frozenset({float})

_TEXTS = frozenset({str, type(None)})

_MAX_BRIEF = 60
"""Characters of a value in a message."""

_LONG_BITS = 14_000
"""Python refuses to write longer integers in decimal; these are written in hexadecimal."""


def to_plain(value: Any) -> Any:
    """Return the plain form of any value. Never raises.

    Dates become RFC 3339, a timedelta its seconds, bytes text, an array its lists or its summary;
    any other object becomes its text. What has no plain form is replaced by a mark with its type
    and the reason. Text is unchanged, including lone surrogates.
    """
    kind = type(value)
    if value is None or kind is str or kind is int or kind is float:
        return value
    converted = call_guarded(_convert, value)
    # Such as a list that contains itself, which a snapshot cuts.
    return _convert(snapshot(value)) if isinstance(converted, Failure) else converted


def plain(value: Any) -> Any:
    r"""Return the plain form of any value, all text valid UTF-8. Never raises.

    A lone surrogate becomes its escape, such as `\udc80`.
    """
    return _with_valid_text(to_plain(value))


def plain_mapping(extras: Any) -> dict[str, Any]:
    """Return what a processor left in the field `extras` as a plain mapping."""
    converted = plain(extras)
    if isinstance(converted, dict):
        return converted
    return {} if converted is None else {"extras": converted}


def plain_names(names: Iterable[str]) -> list[str]:
    """Return the names of fields as exact strs, because keyword arguments may be of a subclass."""
    exact: list[str] = []
    for name in names:
        exact.append(unique_name(key_text(name), exact))
    return exact


def clean_name(name: Any, taken: Collection[Any]) -> str:
    """Return a field's name as valid text; a changed one differs from those in `taken`."""
    if type(name) is str and name.isascii():
        return name
    text = valid_text(key_text(name))
    return text if text == name else unique_name(text, taken)


def _convert(value: Any) -> Any:
    kind = type(value)
    if kind in _EXACT_TYPES:
        return value
    if kind is list:
        return value if _EXACT_TYPES.issuperset(map(type, value)) else [_convert(v) for v in value]
    if kind is dict:
        copy: dict[str, Any] = {}
        for key, item in value.items():
            copy[unique_name(key_text(key), copy)] = _convert(item)
        return copy
    result = call_guarded(_convert_object, value)
    if isinstance(result, Failure):
        name = "array" if kind is PendingArray else type_name(value)
        return unreadable(name, result.error)
    return result


def _convert_object(value: Any) -> Any:
    # The methods of the base classes are called, because a user's subclass may override them.
    if isinstance(value, NumberList):
        return value.read()
    if isinstance(value, PendingArray):
        return _convert(snapshot(value.read()))
    if isinstance(value, bytes):
        return bytes.decode(value, "utf-8", "backslashreplace")
    if isinstance(value, datetime):
        return datetime.isoformat(value)
    if isinstance(value, date):
        return date.isoformat(value)
    if isinstance(value, time):
        return time.isoformat(value)
    if isinstance(value, timedelta):
        return timedelta.total_seconds(value)
    copied = snapshot(value)  # a processor may return anything, such as NumPy scalars
    return str.__str__(str(value)) if copied is value else _convert(copied)


def _with_valid_text(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        return valid_text(value)
    if kind is list and not PLAIN_TYPES.issuperset(map(type, value)):
        if _are_valid_texts(value):
            return value
        return [_with_valid_text(item) for item in value]
    if kind is dict:
        copy: dict[str, Any] = {}
        for key, item in value.items():
            copy[unique_name(valid_text(key), copy)] = _with_valid_text(item)
        return copy
    return value


def _are_valid_texts(values: list[Any]) -> bool:
    """Whether a list has only valid texts and nulls, in one check: it may have many short ones."""
    if not _TEXTS.issuperset(map(type, values)):
        return False
    text = "".join(filter(None, values))
    return valid_text(text) is text


def are_floats(values: Iterable[Any]) -> bool:
    """Whether all values are floats, of exactly that type."""
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
    return json.dumps(json_writable(value), ensure_ascii=False, separators=(",", ":"))


def brief_json(value: Any) -> str:
    """Return a plain value as JSON text for a message: only the start of a long one."""
    text = json_text(value)
    return text if len(text) <= _MAX_BRIEF else f"{text[:_MAX_BRIEF]}…"


def json_writable(value: Any) -> Any:
    """Return a plain value that JSON has: NaN, infinities and very long integers become text."""
    if isinstance(value, float) and not math.isfinite(value):
        return nonfinite_name(value)
    if isinstance(value, int) and value.bit_length() > _LONG_BITS:
        return hex(value)
    if isinstance(value, list):
        return [json_writable(item) for item in value]
    if isinstance(value, dict):
        return {key: json_writable(item) for key, item in value.items()}
    return value


NONFINITE_NAMES = frozenset({"NaN", "Infinity", "-Infinity"})
"""The texts that stand for non-finite numbers, which JSON lacks."""


def nonfinite_name(value: float) -> str:
    """Return the name that stands for a non-finite number: NaN, Infinity or -Infinity."""
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def note_nonfinite(nonfinite: dict[str, str], name: str, value: Any) -> None:
    """Add the NaN and infinities of a field's value to `nonfinite`, as an event has it."""
    if type(value) is float:
        if not math.isfinite(value):
            nonfinite[name] = nonfinite_name(value)
    elif type(value) is list and value and type(value[0]) is not str and not _is_finite(value):
        for index, item in enumerate(value):
            if type(item) is float and not math.isfinite(item):
                nonfinite[f"{name}.{index}"] = nonfinite_name(item)


def _is_finite(values: list[Any]) -> bool:
    """Whether all numbers of a list are finite, in one check; False if that is inconclusive."""
    try:
        return math.isfinite(sum(filter(None, values)))
    except (TypeError, OverflowError):  # texts, or a very large integer
        return False


def read_object(text: Any) -> dict[str, Any]:
    """Return the content of `extras`; text that isn't a JSON object is its item `extras`."""
    if text is None:
        return {}
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"extras": text}
