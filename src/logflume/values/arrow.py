"""Events of one type as Arrow tables. Their columns grow in number, and never change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pyarrow as pa

from logflume.protocols import Event
from logflume.values.coerce import coerce
from logflume.values.columnar import transpose
from logflume.values.declared import declared_columns, declared_kind
from logflume.values.kinds import KINDS, MISFIT, Kind, find_kind
from logflume.values.plain import json_text, plain, read_object, valid_text

__all__ = ["MAX_COLUMNS", "Column", "Columns", "find_stored_kind", "widen"]


_TIMESTAMP = pa.timestamp("us", tz="UTC")

_TYPES: dict[Kind, pa.DataType] = {kind: row.arrow_type(pa) for kind, row in KINDS.items()}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_MICROSECOND = timedelta(microseconds=1)


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
        if self._is_exact(values):
            # A text may still be no instant or no valid UTF-8, an integer may be too large.
            with suppress(ValueError, OverflowError):
                return self._build(values), {}
        fitted = [self._fit(value) for value in values]
        misfits = {row: values[row] for row, value in enumerate(fitted) if value is MISFIT}
        return self._build([None if value is MISFIT else value for value in fitted]), misfits

    def fits(self, value: Any) -> bool:
        """Whether the column can hold this value."""
        return self._fit(value) is not MISFIT

    def _is_exact(self, values: Sequence[Any]) -> bool:
        """Whether Arrow can take the values without coercion, by their types only."""
        row = KINDS[self.kind]
        if not row.is_list:
            return row.exact_types.issuperset(map(type, values))
        if not {list, type(None)}.issuperset(map(type, values)):
            return False
        items = chain.from_iterable(value for value in values if value is not None)
        return row.exact_types.issuperset(map(type, items))

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
        fitted = coerce(value, self.kind, self.declared)
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


MAX_COLUMNS = 1_000
"""Columns of a type; fields that come later are kept in `extras`."""

_NO_COLUMN = frozenset({"nonfinite", "extras"})


class Columns:
    """Turns events of one type into Arrow tables, and finds new columns on the way.

    A field gets a column when it first has a value that says what it holds: null, an empty list
    and a list of nulls don't. The declared columns of the type are there from the start.
    What fits no column is kept in `extras`, a JSON object: a value of another kind than its
    column's, a field beyond the limit, a name that differs from a column's only in case
    (DuckDB and Spark take the two for one) and a name that no reader can show.

    Args:
        event_type: Name of the type.
        found: Columns that stored events of the type already have, in order.
        warn: Told once when there are more fields than columns; None: nobody is.
    """

    def __init__(
        self,
        event_type: str,
        found: Mapping[str, Kind] | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self._event_type = event_type
        self._warn = warn
        self._columns: dict[str, Column] = {}
        self._folded: set[str] = set()
        self._said = False
        for name, kind in chain((found or {}).items(), declared_columns(event_type).items()):
            if name.casefold() not in self._folded:
                self._add(name, kind)

    @property
    def schema(self) -> pa.Schema:
        """The columns known by now."""
        return pa.schema([(column.name, column.arrow_type) for column in self._columns.values()])

    def to_table(self, events: Sequence[Event]) -> pa.Table:
        """Return the events, one a row, with the columns known by then."""
        arrays: dict[str, Any] = {}
        extras: dict[int, dict[str, Any]] = {}
        own_extras: Sequence[Any] = [None] * len(events)
        for name, values in transpose(events):
            if name == "extras":
                own_extras = values
            if name in _NO_COLUMN:
                continue
            if column := self._find(name, values):
                arrays[name], misfits = column.to_array(values)
            else:
                misfits = self._homeless(name, values)
            for row, value in misfits.items():
                extras.setdefault(row, {})[name] = value
        texts = own_extras
        if extras or texts.count(None) < len(texts):
            texts = [_merge(text, extras.get(row)) for row, text in enumerate(own_extras)]
        arrays["extras"], _ = self._columns["extras"].to_array(texts)
        return widen(pa.table(arrays), self.schema)

    def _find(self, name: str, values: Sequence[Any]) -> Column | None:
        """Return the column of a field; a new one if one of the values gives it a kind."""
        if name in self._columns or not self._may_add(name):
            return self._columns.get(name)
        declared = declared_kind(self._event_type, name)
        for value in values:
            kind = find_kind(value)
            if kind is None:
                continue
            column = Column(name, declared or kind, declared is not None)
            if column.fits(value):
                return self._add(name, column.kind)
        return None

    def _add(self, name: str, kind: Kind) -> Column:
        column = Column(name, kind, declared_kind(self._event_type, name) is not None)
        self._columns[name] = column
        self._folded.add(name.casefold())
        return column

    def _may_add(self, name: str) -> bool:
        if not _can_be_shown(name) or name.casefold() in self._folded:
            return False
        if len(self._columns) < MAX_COLUMNS:
            return True
        if self._warn is not None and not self._said:
            self._said = True
            self._warn(
                f"Parquet: events of type {self._event_type!r} have more than {MAX_COLUMNS:,} "
                f"fields. {name!r} and later ones are kept in the column 'extras'."
            )
        return False

    def _homeless(self, name: str, values: Sequence[Any]) -> dict[int, Any]:
        """Return by row what a field without a column says.

        A field that may still get one is not kept for an empty list or a list of nulls.
        """
        decided = not self._may_add(name)
        return {
            row: value
            for row, value in enumerate(values)
            if (decided and value is not None) or find_kind(value) is not None
        }


def widen(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table with the columns of `schema`, and no others.

    A column that it lacks is null. One of another type, as two runs may have, is text.
    """
    if table.schema.equals(schema):
        return table
    present = {field.name: field.type for field in table.schema}
    columns: list[Any] = []
    for field in schema:
        if field.name not in present:
            columns.append(pa.nulls(table.num_rows, field.type))
        elif present[field.name] == field.type:
            columns.append(table.column(field.name))
        else:
            columns.append(_as_text(table.column(field.name)))
    return pa.Table.from_arrays(columns, schema=schema)


def _as_text(column: Any) -> Any:
    values = column.to_pylist()
    texts = [v if v is None or isinstance(v, str) else json_text(v) for v in values]
    return pa.array(texts, pa.string())


def _can_be_shown(name: str) -> bool:
    """Whether readers take the name as it is: DuckDB renames an empty one."""
    return bool(name) and not any("\ud800" <= character <= "\udfff" for character in name)


def _merge(text: Any, misfits: dict[str, Any] | None) -> Any:
    """Return the event's own `extras` with what didn't fit."""
    if misfits is None and (text is None or isinstance(text, str)):
        return text
    return json_text(plain({**read_object(text), **(misfits or {})}))
