"""Columns of a table as numpy arrays: their numbers, and the groups of equal rows.

Arrow's `group_by` doesn't return which group each row is in, and pandas is an extra.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logflume.exceptions import QueryError
from logflume.query.columns import holds_numbers

__all__ = [
    "Array",
    "Grouping",
    "group_rows",
    "integers_or_null",
    "number_together",
    "numbers_of",
    "row_number_in_group",
    "texts_of",
]

Array: TypeAlias = "np.ndarray[Any, Any]"

_MAX_CODE = 2**62
_MAX_RANGE = 2**31
_MODES = ["train", "eval"]


class Grouping(NamedTuple):
    """The groups of a table's rows, in ascending order of the columns, nulls first.

    Attributes:
        of_row: The group of each row, from 0. Shape [rows].
        first: The first row of each group. Shape [groups].
    """

    of_row: Array
    first: Array

    def take_first(self, rows: pa.Table) -> pa.Table:
        """Return the first row of each group."""
        return rows.take(pa.array(self.first, pa.int64()))

    def sum(self, values: Any = None) -> Array:
        """Return the sum of the values of each group's rows; without values, the number of rows."""
        return np.bincount(self.of_row, values, minlength=len(self.first))

    def min(self, values: Array) -> Array:
        """Return the lowest value of each group's rows, ignoring NaN; NaN if there is none."""
        return self._reduce(np.fmin, values)

    def max(self, values: Array) -> Array:
        """Return the highest value of each group's rows, ignoring NaN; NaN if there is none."""
        return self._reduce(np.fmax, values)

    def _reduce(self, function: np.ufunc, values: Array) -> Array:
        found = np.full(len(self.first), np.nan)
        function.at(found, self.of_row, values)
        return found

    def rows(self) -> Iterator[Array]:
        """Yield the indices of each group's rows, in ascending order."""
        order = np.argsort(self.of_row, kind="stable")
        ends = np.cumsum(self.sum())
        yield from np.split(order, ends[:-1]) if len(self) else ()

    def __len__(self) -> int:
        return len(self.first)


def numbers_of(table: pa.Table, name: str) -> Array:
    """Return a column of numbers. Shape [rows], NaN where it is null or doesn't exist.

    Raises:
        QueryError: It holds no numbers.
    """
    if name not in table.column_names or table[name].null_count == len(table):
        return np.full(len(table), np.nan)
    column: Any = table[name]
    if not holds_numbers(column.type):
        raise QueryError(f"{name!r} is not a number but {column.type}")
    return np.asarray(pc.fill_null(column.cast(pa.float64(), safe=False), np.nan).to_numpy())


def integers_or_null(values: Array) -> Any:
    """Return whole numbers as an Arrow array of integers, in which NaN is null."""
    is_unknown = np.isnan(values)
    return pa.array(np.where(is_unknown, 0, values).astype(np.int64), mask=is_unknown)


def texts_of(table: pa.Table, name: str) -> Any:
    """Return a column as texts.

    Raises:
        QueryError: It holds lists.
    """
    _check_single(table, name)
    return table[name].cast(pa.string())


def _check_single(table: pa.Table, name: str) -> None:
    if pa.types.is_nested(table.schema.field(name).type):
        raise QueryError(f"{name!r} has lists, not single values")


def group_rows(table: pa.Table, columns: Sequence[str]) -> Grouping:
    """Group the rows of a table by some columns. Nulls are equal; training comes before `eval`."""
    for name in columns:
        _check_single(table, name)
    codes = _combine([_number(name, table[name]) for name in columns], len(table))
    _, first, of_row = np.unique(codes, return_index=True, return_inverse=True)
    return Grouping(of_row, first)


def number_together(
    one: pa.Table, other: pa.Table, columns: Sequence[str]
) -> tuple[Array, Array, int]:
    """Return a number for each row of two tables, equal for equal values, and how many there are.

    Columns that one table lacks are null in it.
    """
    both = pa.concat_tables(
        [_with_columns(table, columns) for table in (one, other)], promote_options="permissive"
    )
    numbers = group_rows(both, columns)
    return numbers.of_row[: len(one)], numbers.of_row[len(one) :], len(numbers)


def row_number_in_group(of_row: Array) -> Array:
    """Return the position of each row among those of its group, from 0. Groups are consecutive."""
    starts = np.flatnonzero(np.diff(of_row, prepend=-1))
    return np.arange(len(of_row)) - np.repeat(starts, np.diff([*starts, len(of_row)]))


def _with_columns(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    nulls: Any = pa.nulls(len(table))
    known = set(table.column_names)
    found: list[Any] = [table[name] if name in known else nulls for name in columns]
    return pa.table(found, list(columns))


def _combine(columns: Sequence[tuple[Array, int]], rows: int) -> Array:
    """Return one number for each row: that of the first column is the most significant."""
    codes, size = np.zeros(rows, np.int64), 1
    for numbers, count in columns:
        if size * count > _MAX_CODE:
            distinct, codes = np.unique(codes, return_inverse=True)
            size = len(distinct)
        codes = codes * count + numbers
        size *= count
    return codes


def _number(name: str, column: Any) -> tuple[Array, int]:
    """Return a number for each value of a column in ascending order, and how many there may be."""
    if name == "mode":
        modes = pc.index_in(column, value_set=pa.array([None, *_MODES], column.type))
        return pc.fill_null(modes, len(_MODES) + 1).to_numpy().astype(np.int64), len(_MODES) + 2
    if column.null_count == len(column):
        return np.zeros(len(column), np.int64), 1
    if pa.types.is_signed_integer(column.type):
        limits: Any = pc.min_max(column)
        low, high = limits["min"].as_py(), limits["max"].as_py()
        if high - low < _MAX_RANGE and low > -_MAX_CODE:
            numbers = pc.fill_null(column.cast(pa.int64()), low - 1).to_numpy()
            return numbers - (low - 1), high - low + 2
    encoded: Any = column.combine_chunks()
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    order = pc.array_sort_indices(encoded.dictionary).to_numpy()
    ranks = np.empty(len(order) + 1, np.int64)
    ranks[order] = np.arange(1, len(order) + 1)
    ranks[-1] = 0
    indices = pc.fill_null(encoded.indices, len(order)).to_numpy(zero_copy_only=False)
    return ranks[indices], len(order) + 1
