"""Making a plain value fit its column: its kind, and the limits of its size and name."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from logflume.events.reserved import JSON_TEXT_FIELDS
from logflume.values.kinds import INT64_MAX, KINDS, Kind
from logflume.values.plain import MAX_JSON_TEXT, MAX_TEXT, json_text
from logflume.values.snapshot import unique_name

__all__ = [
    "MAX_NAME",
    "coerce",
    "is_within_limits",
    "truncate_extra",
    "truncate_field",
    "truncate_name",
]

MAX_NAME = 1_000
"""Characters of the name of a field or logger that are kept."""


def coerce(value: Any, kind: Kind, declared: bool) -> Any:
    """Return `value` as the column holds it, or `MISFIT`. A null fits every column.

    Args:
        value: A plain value.
        kind: The kind of the column.
        declared: Whether the event type declares the column. A declared text column also takes
            numbers, as text: `true_answer=4` is the answer "4".
    """
    if value is None:
        return None
    if kind is Kind.TEXT and declared and isinstance(value, (int, float)):
        return json_text(value).strip('"')  # NaN is "NaN" in JSON
    return KINDS[kind].coerce(value)


def is_within_limits(value: Any) -> bool:
    """Whether a bool, int, float or text is taken by its column unchanged."""
    kind = type(value)
    if kind is float:
        return math.isfinite(value)
    if kind is str:
        return value.isascii() and len(value) <= MAX_TEXT
    return kind is bool or abs(value) <= INT64_MAX


def truncate_field(name: str, value: Any) -> tuple[Any, dict[str, Any] | None]:
    """Return what a field keeps of a coerced value, and a note for `extras` if it was truncated."""
    limit = MAX_JSON_TEXT if name in JSON_TEXT_FIELDS else MAX_TEXT
    if type(value) is str and len(value) > limit:
        return value[:limit], {"cut_to": limit, "length": len(value)}
    # A coerced list holds numbers or texts, and nulls.
    if type(value) is list and value and type(value[0]) not in (int, float):
        texts = [text for text in value if type(text) is str]
        if texts and max(map(len, texts)) > MAX_TEXT:
            long = {i: len(text) for i, text in enumerate(value) if _is_long(text)}
            kept = [text[:MAX_TEXT] if i in long else text for i, text in enumerate(value)]
            lengths = {str(i): length for i, length in long.items()}
            return kept, {"cut_to": MAX_TEXT, "lengths": lengths}
    return value, None


def truncate_extra(value: Any) -> Any:
    """Return what `extras` keeps of a value: for a long text or JSON, its start and length."""
    text = json_text(value) if type(value) in (list, dict, int) else value
    if not _is_long(text):
        return value
    return {"text": text[:MAX_TEXT], "cut_to": MAX_TEXT, "length": len(text)}


def truncate_name(name: str, taken: Collection[str] = ()) -> str:
    """Return a name of limited length; a truncated one differs from those in `taken`.

    >>> truncate_name("k" * 2_000).removeprefix("k" * 1_000)
    '<2000 characters>'
    """
    if len(name) <= MAX_NAME:
        return name
    return unique_name(f"{name[:MAX_NAME]}<{len(name)} characters>", taken)


def _is_long(value: Any) -> bool:
    return type(value) is str and len(value) > MAX_TEXT
