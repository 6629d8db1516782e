"""One column of a table of events: its Arrow type, and which values fit it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pyarrow as pa

from logflume.values.columns import Kind
from logflume.values.fit import MISFIT, fit
from logflume.values.plain import valid_text

__all__ = ["Column", "find_stored_kind"]

_TIMESTAMP = pa.timestamp("us", tz="UTC")
_TYPES: dict[Kind, pa.DataType] = {
    Kind.BOOLEAN: pa.bool_(),
    Kind.INTEGER: pa.int64(),
    Kind.NUMBER: pa.float64(),
    Kind.TEXT: pa.string(),
    Kind.NUMBERS: pa.list_(pa.float64()),
    Kind.TEXTS: pa.list_(pa.string()),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NONE = type(None)
_EASY = {
    Kind.BOOLEAN: {bool, _NONE},
    Kind.INTEGER: {int, _NONE},
    Kind.NUMBER: {float, _NONE},
    Kind.TEXT: {str, _NONE},
}
_EASY_ITEMS = {Kind.NUMBERS: {float, _NONE}, Kind.TEXTS: {str, _NONE}}


@dataclass(frozen=True)
class Column:
    """A column of the events of one type.

    Attributes:
        name: Name of the field.
        kind: What it holds. The column `timestamp` holds text by kind, and is stored as an
            instant: microseconds, UTC.
        declared: Whether the event's type declares the field.
    """

    name: str
    kind: Kind
    declared: bool

    @property
    def arrow_type(self) -> pa.DataType:
        """How Arrow stores it."""
        return _TIMESTAMP if self.name == "timestamp" else _TYPES[self.kind]

    def to_array(self, values: Sequence[Any]) -> tuple[Any, dict[int, Any]]:
        """Return the values as an Arrow array, and by their row those that don't fit.

        Args:
            values: Plain values, one a row. A row whose value doesn't fit is null in the array.
        """
        if self._is_easy(values):
            # A text may still be no instant or no valid UTF-8, an integer may be too large.
            with suppress(ValueError, OverflowError):
                return self._build(values), {}
        fitted = [self._fit(value) for value in values]
        misfits = {row: values[row] for row, value in enumerate(fitted) if value is MISFIT}
        return self._build([None if value is MISFIT else value for value in fitted]), misfits

    def fits(self, value: Any) -> bool:
        """Whether the column can hold this value."""
        return self._fit(value) is not MISFIT

    def _is_easy(self, values: Sequence[Any]) -> bool:
        """Whether Arrow can take the values as they are, by a look at their types only."""
        if self.kind in _EASY:
            return _EASY[self.kind].issuperset(map(type, values))
        if not {list, _NONE}.issuperset(map(type, values)):
            return False
        items = chain.from_iterable(value for value in values if value is not None)
        return _EASY_ITEMS[self.kind].issuperset(map(type, items))

    def _build(self, values: Sequence[Any]) -> Any:
        if self.name == "timestamp":
            # Arrow could read the texts, too, with a library of 10 MB that nothing else here needs.
            return pa.array(list(map(_microseconds, values)), _TIMESTAMP)
        if self.kind is Kind.TEXT and values and values.count(values[0]) == len(values):
            # The level, the run: all the same.
            one: Any = pa.scalar(values[0], self.arrow_type)
            return pa.repeat(one, len(values))
        return pa.array(values, self.arrow_type)

    def _fit(self, value: Any) -> Any:
        if self.name == "timestamp":
            return _fit_instant(value)
        fitted = fit(value, self.kind, self.declared)
        if isinstance(fitted, str):
            return valid_text(fitted)
        if isinstance(fitted, list) and self.kind is Kind.TEXTS:
            return [None if item is None else valid_text(item) for item in fitted]
        return fitted


def find_stored_kind(name: str, arrow_type: pa.DataType) -> Kind | None:
    """Return the kind of a column found in a file; None where events aren't stored so."""
    if name == "timestamp":
        return Kind.TEXT if arrow_type == _TIMESTAMP else None
    return next((kind for kind, known in _TYPES.items() if known == arrow_type), None)


def _microseconds(value: str | None) -> int | None:
    """Return the microseconds since 1970.

    Raises:
        ValueError: It is no instant.
    """
    if value is None:
        return None
    instant = datetime.fromisoformat(value)
    if instant.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    return (instant - _EPOCH) // _MICROSECOND


def _fit_instant(value: Any) -> Any:
    try:
        _microseconds(value)
    except (TypeError, ValueError):
        return MISFIT
    return value
