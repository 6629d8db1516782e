"""The limits of one event: longer texts and names are cut, and say how long they were."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from logflume.values.plain import MAX_TEXT, json_text
from logflume.values.snapshot import free_name

__all__ = ["MAX_NAME", "cut_extra", "cut_field", "cut_name"]

MAX_NAME = 1_000
"""Characters of the name of a field or logger that are kept."""


def cut_field(value: Any) -> tuple[Any, dict[str, Any] | None]:
    """Return what a field keeps of a fitted value, and a note for `extras` if that is not all."""
    if type(value) is str and len(value) > MAX_TEXT:
        return value[:MAX_TEXT], {"cut_to": MAX_TEXT, "length": len(value)}
    # A fitted list holds floats or texts, and nulls.
    if type(value) is list and value and type(value[0]) is not float:
        long = {i: len(text) for i, text in enumerate(value) if _is_long(text)}
        if long:
            kept = [text[:MAX_TEXT] if i in long else text for i, text in enumerate(value)]
            lengths = {str(i): length for i, length in long.items()}
            return kept, {"cut_to": MAX_TEXT, "lengths": lengths}
    return value, None


def cut_extra(value: Any) -> Any:
    """Return what `extras` keeps of a value: of a long text, or JSON, its beginning and length."""
    text = json_text(value) if type(value) in (list, dict, int) else value
    if not _is_long(text):
        return value
    return {"text": text[:MAX_TEXT], "cut_to": MAX_TEXT, "length": len(text)}


def cut_name(name: str, taken: Collection[str] = ()) -> str:
    """Return a name that is not too long; one that is cut must not become another's.

    >>> cut_name("k" * 2_000).removeprefix("k" * 1_000)
    '<2000 characters>'
    """
    if len(name) <= MAX_NAME:
        return name
    return free_name(f"{name[:MAX_NAME]}<{len(name)} characters>", taken)


def _is_long(value: Any) -> bool:
    return type(value) is str and len(value) > MAX_TEXT
