"""Making a plain value fit the kind of its column, or saying that it can't."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from logflume.values.columns import Kind
from logflume.values.plain import json_text

__all__ = ["EXACT_MAX", "INT64_MAX", "MISFIT", "find_kind", "fit"]


class _Misfit:
    def __repr__(self) -> str:
        return "MISFIT"


MISFIT: Final = _Misfit()
"""What `fit` returns for a value that the column can't hold."""

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


def fit(value: Any, kind: Kind, declared: bool) -> Any:
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
