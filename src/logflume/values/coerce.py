"""Making a plain value fit the kind of its column, or saying that it can't."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any, Final

from logflume.guard import Failure, call_guarded
from logflume.values.kinds import Kind
from logflume.values.plain import MAX_TEXT, PLAIN_TYPES, json_text, plain, valid_text
from logflume.values.snapshot import key_text, snapshot, unique_name

__all__ = [
    "EXACT_MAX",
    "INT64_MAX",
    "MAX_NAME",
    "MISFIT",
    "clean_name",
    "coerce",
    "find_kind",
    "is_within_limits",
    "sanitize",
    "sanitize_mapping",
    "truncate_extra",
    "truncate_field",
    "truncate_name",
]


MAX_NAME = 1_000
"""Characters of the name of a field or logger that are kept."""


def truncate_field(value: Any) -> tuple[Any, dict[str, Any] | None]:
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


def truncate_extra(value: Any) -> Any:
    """Return what `extras` keeps of a value: of a long text, or JSON, its beginning and length."""
    text = json_text(value) if type(value) in (list, dict, int) else value
    if not _is_long(text):
        return value
    return {"text": text[:MAX_TEXT], "cut_to": MAX_TEXT, "length": len(text)}


def truncate_name(name: str, taken: Collection[str] = ()) -> str:
    """Return a name that is not too long; one that is cut must not become another's.

    >>> cut_name("k" * 2_000).removeprefix("k" * 1_000)
    '<2000 characters>'
    """
    if len(name) <= MAX_NAME:
        return name
    return unique_name(f"{name[:MAX_NAME]}<{len(name)} characters>", taken)


def _is_long(value: Any) -> bool:
    return type(value) is str and len(value) > MAX_TEXT


class _Misfit:
    def __repr__(self) -> str:
        return "MISFIT"


MISFIT: Final = _Misfit()
"""What `coerce` returns for a value that the column can't hold."""

_NUMERIC = frozenset({int, float, bool, type(None)})

_TEXTUAL = frozenset({str, type(None)})

INT64_MAX = 2**63 - 1

EXACT_MAX = 2**53


def find_kind(value: Any) -> Kind | None:
    """Return the kind that a first value gives its column; None where it decides nothing.

    Null decides nothing, nor do an empty list, a list of nulls and an empty mapping.

    >>> find_kind(1), find_kind([None, 0.5]), find_kind([])
    (<Kind.NUMBER: 'number'>, <Kind.NUMBERS: 'numbers'>, None)
    """
    if isinstance(value, bool):
        return Kind.BOOLEAN
    if isinstance(value, (int, float)):
        return Kind.NUMBER
    if isinstance(value, list):
        types = set(map(type, value))
        if types <= {type(None)}:
            return None
        if types <= _NUMERIC:
            return Kind.NUMBERS
        return Kind.TEXTS if types <= _TEXTUAL else Kind.TEXT
    return None if value is None or value == {} else Kind.TEXT


def coerce(value: Any, kind: Kind, declared: bool) -> Any:
    """Return `value` as the column holds it, or `MISFIT`. A null fits every column.

    Args:
        value: A plain value.
        kind: The kind of the column.
        declared: Whether the event's type declares the column. A declared text column
            takes numbers too, as text: `true_answer=4` means the answer "4".
    """
    if value is None:
        return None
    if kind is Kind.TEXT and declared and isinstance(value, (int, float)):
        return json_text(value).strip('"')  # NaN is "NaN" in JSON
    return _FITTERS[kind](value)


def _fit_boolean(value: Any) -> Any:
    return value if isinstance(value, bool) else MISFIT


def _fit_integer(value: Any) -> Any:
    if isinstance(value, bool):
        return MISFIT
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and abs(value) <= INT64_MAX else MISFIT


def _fit_number(value: Any) -> Any:
    if isinstance(value, bool):
        return MISFIT
    if isinstance(value, float):
        return value
    return float(value) if _is_exact(value) else MISFIT


def _fit_text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return json_text(value) if isinstance(value, (list, dict)) else MISFIT


def _fit_numbers(value: Any) -> Any:
    if not isinstance(value, list):
        return MISFIT
    types = set(map(type, value))
    if types <= {float, type(None)}:
        return value
    if not types <= _NUMERIC or not all(_is_exact(v) for v in value if type(v) is int):
        return MISFIT
    return [None if item is None else float(item) for item in value]


def _fit_texts(value: Any) -> Any:
    return value if isinstance(value, list) and _TEXTUAL.issuperset(map(type, value)) else MISFIT


def _is_exact(value: Any) -> bool:
    """Whether a float64 holds this integer exactly."""
    return isinstance(value, int) and (
        abs(value) <= EXACT_MAX or (abs(value) < 2**1023 and int(float(value)) == value)
    )


_FITTERS: dict[Kind, Callable[[Any], Any]] = {
    Kind.BOOLEAN: _fit_boolean,
    Kind.INTEGER: _fit_integer,
    Kind.NUMBER: _fit_number,
    Kind.TEXT: _fit_text,
    Kind.NUMBERS: _fit_numbers,
    Kind.TEXTS: _fit_texts,
}


def sanitize(value: Any) -> Any:
    """Return a value plain again."""
    if type(value) in PLAIN_TYPES:
        return value
    settled = call_guarded(plain, value)
    # A list that holds itself ends here; a snapshot knows how to cut it.
    return plain(snapshot(value)) if isinstance(settled, Failure) else settled


def sanitize_mapping(extras: Any) -> dict[str, Any]:
    """Return what an event has in its field `extras` as a mapping, plain again."""
    settled = sanitize(extras)
    if isinstance(settled, dict):
        return settled
    return {} if settled is None else {"extras": settled}


def is_within_limits(value: Any) -> bool:
    """Whether a bool, int, float or text is within the limits of its column."""
    kind = type(value)
    if kind is float:
        return math.isfinite(value)
    if kind is str:
        return value.isascii() and len(value) <= MAX_TEXT
    return kind is bool or abs(value) <= INT64_MAX


def clean_name(name: Any, taken: Collection[Any]) -> str:
    """Return a name as valid text; one that has to be changed must not become another's."""
    if type(name) is str and name.isascii():
        return name
    text = valid_text(key_text(name))
    return text if text == name else unique_name(text, taken)
