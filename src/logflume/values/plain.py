"""Any value of a snapshot as a plain one: None, bool, int, float, str, lists and dicts of these."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time, timedelta
from typing import Any

from logflume.guard import Failure, attempt, describe
from logflume.values.arrays import PendingArray

__all__ = ["MAX_TEXT", "json_text", "plain", "valid_text"]

MAX_TEXT = 1_000_000
"""Characters of a text that are kept; the length of a longer one is noted in `extras`."""

_PLAIN_TYPES = frozenset({int, float, bool, type(None)})


def plain(value: Any) -> Any:
    """Return the plain form of a value. Never raises.

    Text is made valid UTF-8 (a lone surrogate becomes its escape), dates become RFC 3339, a
    timedelta its seconds, an array its lists; anything else becomes its text.
    """
    kind = type(value)
    if kind in _PLAIN_TYPES:
        return value
    if kind is str:
        return valid_text(value)
    if kind is list:
        return value if _PLAIN_TYPES.issuperset(map(type, value)) else [plain(v) for v in value]
    if kind is dict:
        return {valid_text(str(key)): plain(item) for key, item in value.items()}
    result = attempt(_convert, value)
    if isinstance(result, Failure):
        return f"<{kind.__name__} that could not be read: {describe(result.error)}>"
    return result


def _convert(value: Any) -> Any:
    if isinstance(value, PendingArray):
        return plain(value.tolist())
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (tuple, set, frozenset)):
        return [plain(item) for item in value]
    return valid_text(str(value))


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
    """Return a plain value as JSON text; NaN and infinities become strings, big numbers stay."""
    return json.dumps(_finite(value), ensure_ascii=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return nonfinite_name(value)
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return value


def nonfinite_name(value: float) -> str:
    """Return the name that stands for a non-finite number: NaN, Infinity or -Infinity."""
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
