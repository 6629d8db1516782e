"""Conversion of events to Arrow tables, one table per event type.

Columns may be added to a table; the type of an existing column never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pyarrow as pa

from logflume.events.times import to_microseconds
from logflume.protocols import Event
from logflume.values.coerce import coerce
from logflume.values.columnar import transpose
from logflume.values.declared import declared_columns, declared_kind
from logflume.values.kinds import KINDS, MISFIT, Kind, find_kind
from logflume.values.plain import json_text, plain, read_object, valid_text

__all__ = ["MAX_COLUMNS", "Column", "Columns", "find_stored_kind", "widen"]


_TIMESTAMP = pa.timestamp("us", tz="UTC")

_TYPES: dict[Kind, pa.DataType] = {kind: spec.arrow_type(pa) for kind, spec in KINDS.items()}


@dataclass(frozen=True)
class Column:
    """A column of the events of one type.

    Attributes:
        name: Name of the field.
        kind: Kind of the column. `timestamp` is of kind text, and stored as an Arrow timestamp:
            microseconds, UTC.
        declared: Whether the event type declares the field.
    """

    name: str
    kind: Kind
    declared: bool

    @property
    def arrow_type(self) -> pa.DataType:
        """The Arrow type of the column."""
        return _TIMESTAMP if self.name == "timestamp" else _TYPES[self.kind]

    def to_array(self, values: Sequence[Any]) -> tuple[Any, dict[int, Any]]:
        """Convert values to an Arrow array.

        Args:
            values: Plain values, one per row.

        Returns:
            The array, and the misfits by row. A misfit is null in the array.
        """
        if self._is_exact(values):
            # Can still fail on an invalid timestamp, invalid UTF-8 or an integer that is too large.
            with suppress(ValueError, OverflowError):
                return self._build(values), {}
        coerced = [self._coerce(value) for value in values]
        misfits = {row: values[row] for row, value in enumerate(coerced) if value is MISFIT}
        return self._build([None if value is MISFIT else value for value in coerced]), misfits

    def fits(self, value: Any) -> bool:
        """Whether the column can hold this value."""
        return self._coerce(value) is not MISFIT

    def _is_exact(self, values: Sequence[Any]) -> bool:
        """Whether the types of the values allow conversion without coercion."""
        spec = KINDS[self.kind]
        if not spec.is_list:
            return spec.exact_types.issuperset(map(type, values))
        if not {list, type(None)}.issuperset(map(type, values)):
            return False
        items = chain.from_iterable(value for value in values if value is not None)
        return spec.exact_types.issuperset(map(type, items))

    def _build(self, values: Sequence[Any]) -> Any:
        if self.name == "timestamp":
            # Arrow can parse timestamps itself, but loads a 10 MB library that is needed for
            # nothing else.
            instants = [None if value is None else to_microseconds(value) for value in values]
            return pa.array(instants, _TIMESTAMP)
        if self.kind is Kind.TEXT and values and values.count(values[0]) == len(values):
            # Faster for constant columns such as `run` and `level`.
            constant: Any = pa.scalar(values[0], self.arrow_type)
            return pa.repeat(constant, len(values))
        return pa.array(values, self.arrow_type)

    def _coerce(self, value: Any) -> Any:
        if self.name == "timestamp":
            return _coerce_timestamp(value)
        coerced = coerce(value, self.kind, self.declared)
        if isinstance(coerced, str):
            return valid_text(coerced)
        if isinstance(coerced, list) and self.kind is Kind.TEXTS:
            return [None if item is None else valid_text(item) for item in coerced]
        return coerced


def find_stored_kind(name: str, arrow_type: pa.DataType) -> Kind | None:
    """Return the kind of a column in a file; None if no kind is stored as this type."""
    if name == "timestamp":
        return Kind.TEXT if arrow_type == _TIMESTAMP else None
    return next((kind for kind, stored in _TYPES.items() if stored == arrow_type), None)


def _coerce_timestamp(value: Any) -> Any:
    try:
        to_microseconds(value)
    except (TypeError, ValueError):
        return None if value is None else MISFIT
    return value


MAX_COLUMNS = 1_000
"""Maximum number of columns per event type; further fields are kept in `extras`."""

_NO_COLUMN = frozenset({"nonfinite", "extras"})


class Columns:
    """Converts events of one type to Arrow tables, adding columns as new fields appear.

    The declared columns of the type exist from the start. Any other field gets a column with its
    first value that determines a kind: null, an empty list and a list of nulls determine none.

    What fits no column is kept in `extras`, a JSON object:

    - a misfit,
    - a field beyond `MAX_COLUMNS`,
    - a field whose name differs from a column's only in case, because DuckDB and Spark compare
      names case-insensitively,
    - a field whose name readers can't represent, such as an empty one.

    Args:
        event_type: Name of the type.
        stored: Existing columns of stored events of the type, in order.
        warn: Called with a message, once, when the number of fields exceeds `MAX_COLUMNS`; None:
            no warning.
    """

    def __init__(
        self,
        event_type: str,
        stored: Mapping[str, Kind] | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self._event_type = event_type
        self._warn = warn
        self._columns: dict[str, Column] = {}
        self._folded: set[str] = set()
        self._warned = False
        for name, kind in chain((stored or {}).items(), declared_columns(event_type).items()):
            if name.casefold() not in self._folded:
                self._add(name, kind)

    @property
    def schema(self) -> pa.Schema:
        """The columns so far."""
        return pa.schema([(column.name, column.arrow_type) for column in self._columns.values()])

    def to_table(self, events: Sequence[Event]) -> pa.Table:
        """Return the events as a table, one per row, with all columns so far, new ones included."""
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
                misfits = self._without_column(name, values)
            for row, value in misfits.items():
                extras.setdefault(row, {})[name] = value
        texts = own_extras
        if extras or texts.count(None) < len(texts):
            texts = [_merge(text, extras.get(row)) for row, text in enumerate(own_extras)]
        arrays["extras"], _ = self._columns["extras"].to_array(texts)
        return widen(pa.table(arrays), self.schema)

    def _find(self, name: str, values: Sequence[Any]) -> Column | None:
        """Return the column of a field; add one if a value determines its kind."""
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
        if not _is_representable(name) or name.casefold() in self._folded:
            return False
        if len(self._columns) < MAX_COLUMNS:
            return True
        if self._warn is not None and not self._warned:
            self._warned = True
            self._warn(
                f"Parquet: events of type {self._event_type!r} have more than {MAX_COLUMNS:,} "
                f"fields. {name!r} and further new fields are kept in the column 'extras'."
            )
        return False

    def _without_column(self, name: str, values: Sequence[Any]) -> dict[int, Any]:
        """Return the values, by row, that `extras` keeps of a field without a column.

        While the field may still get a column, empty lists and lists of nulls are not kept.
        """
        excluded = not self._may_add(name)
        return {
            row: value
            for row, value in enumerate(values)
            if (excluded and value is not None) or find_kind(value) is not None
        }


def widen(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table with exactly the columns of `schema`.

    A missing column is added as nulls. A column of another type is converted to text, or from
    integers to numbers: a field may have different types in two runs.
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
        elif pa.types.is_floating(field.type) and pa.types.is_integer(present[field.name]):
            columns.append(table.column(field.name).cast(field.type, safe=False))
        else:
            columns.append(_as_text(table.column(field.name)))
    return pa.Table.from_arrays(columns, schema=schema)


def concat_widened(tables: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    """Return the rows of all tables, with exactly the columns of `schema`; see `widen`."""
    tables = [schema.empty_table(), *(table for table in tables if table.num_rows)]
    with suppress(pa.ArrowInvalid):
        # Arrow compares the schemas of a thousand tables faster than `widen` does.
        return pa.concat_tables(tables)
    return pa.concat_tables([widen(table, schema) for table in tables])


def _as_text(column: Any) -> Any:
    values = column.to_pylist()
    texts = [v if v is None or isinstance(v, str) else json_text(v) for v in values]
    return pa.array(texts, pa.string())


def _is_representable(name: str) -> bool:
    """Whether readers keep the name: DuckDB renames an empty one; UTF-8 has no lone surrogates."""
    return bool(name) and not any("\ud800" <= character <= "\udfff" for character in name)


def _merge(text: Any, misfits: dict[str, Any] | None) -> Any:
    """Return the event's own `extras` merged with its misfits."""
    if misfits is None and (text is None or isinstance(text, str)):
        return text
    return json_text(plain({**read_object(text), **(misfits or {})}))
