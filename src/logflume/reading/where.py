"""Conditions in SQL on events that are not in a table."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa

from logflume.exceptions import QueryError
from logflume.values.arrow_columns import Columns

__all__ = ["Where"]

_ROW = "logflume/row"


class _MissingFieldError(Exception):
    """A type of event lacks a field of the condition."""


class Where:
    """Chooses events by a condition in SQL: `step > 100 and loss < 1`.

    A type of event that lacks a field of the condition is not chosen.

    Args:
        condition: The condition.

    Raises:
        QueryError: It is no SQL.
    """

    def __init__(self, condition: str) -> None:
        self._condition = condition
        try:
            duckdb.extract_statements(f"select 1 where ({condition})")
        except duckdb.Error as error:
            raise QueryError(f"--where {condition!r}: {error}") from error

    def __call__(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the events that are chosen, in order.

        Raises:
            QueryError: The condition can't be applied to what the fields hold.
        """
        by_type: dict[str, list[int]] = {}
        for row, event in enumerate(events):
            by_type.setdefault(event["event"], []).append(row)
        chosen: list[int] = []
        missing: list[str] = []
        with duckdb.connect() as connection:
            for event_type, rows in by_type.items():
                table = Columns(event_type).to_table([events[row] for row in rows])
                connection.register("events", table.append_column(_ROW, pa.array(rows)))
                try:
                    chosen += self._choose(connection)
                except _MissingFieldError as error:
                    missing.append(str(error))
        if by_type and len(missing) == len(by_type):
            raise QueryError(f"--where {self._condition!r}: no type of event has it. {missing[0]}")
        return [events[row] for row in sorted(chosen)]

    def _choose(self, connection: duckdb.DuckDBPyConnection) -> list[int]:
        query = f'select "{_ROW}" from events where ({self._condition})'
        try:
            return [row for (row,) in connection.execute(query).fetchall()]
        except duckdb.BinderException as error:
            if "not found in FROM clause" in str(error):
                raise _MissingFieldError(str(error)) from error
            raise QueryError(f"--where {self._condition!r}: {error}") from error
        except duckdb.Error as error:
            raise QueryError(f"--where {self._condition!r}: {error}") from error
