"""Filters events by a condition in SQL: those that `logflume tail` reads, and completions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

from logflume.config.errors import nearest
from logflume.exceptions import QueryError
from logflume.query.connection import check_is_query, connect, lock, quote_name, syntax_nodes
from logflume.values.arrow import Columns

__all__ = ["SqlFilter"]

_ROW = "logflume/row"
_MISSING = re.compile(r'column "([^"]+)" not found in FROM clause')


class SqlFilter:
    """Selects events by a condition in SQL: `step > 100 and loss < 1`.

    Events of a type that lacks a field of the condition don't match.

    Args:
        condition: The condition.
        name: The name of the option or argument, for error messages.

    Raises:
        QueryError: The condition is not valid SQL.
    """

    def __init__(self, condition: str, name: str = "--where") -> None:
        self._condition = condition
        self._label = f"{name} {condition!r}"
        self._missing: str | None = None
        self._names: set[str] = set()
        self._applied = False
        try:
            check_is_query(self._query("1"))
        except QueryError as error:
            raise QueryError(f"{self._label}: expected one condition") from error
        except duckdb.Error as error:
            raise self._explain(error) from error

    def __call__(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the events that match, in order.

        Raises:
            QueryError: The condition can't be applied to the values of the fields.
        """
        by_type: dict[str, list[int]] = {}
        for row, event in enumerate(events):
            by_type.setdefault(event["event"], []).append(row)
        matches: list[int] = []
        with connect() as connection:
            lock(connection)
            for event_type, rows in by_type.items():
                table = Columns(event_type).to_table([events[row] for row in rows])
                self._names.update(table.column_names)
                connection.register("events", table.append_column(_ROW, pa.array(rows)))
                matches += self._match(connection)
        return [events[row] for row in sorted(matches)]

    def fields(self, available: Sequence[str]) -> list[str]:
        """Return the available fields that the condition uses."""
        with connect() as connection:
            nodes = syntax_nodes(connection, self._query("1")) or ()
        names: set[str] = set()
        for node in nodes:
            columns = node["column_names"] if node.get("type") == "COLUMN_REF" else []
            if node.get("type") == "STAR" or columns == ["events"]:  # the row itself, as a value
                return list(available)
            names.update(map(str.casefold, columns))
        return [name for name in available if name.casefold() in names]

    def select(self, events: pa.Table) -> pa.Table:
        """Return the rows that match, of a table with the events of one type.

        Raises:
            QueryError: There is no such field, or the condition can't be applied to its values.
        """
        with connect() as connection:
            lock(connection)
            rows = pa.array(range(len(events)), pa.int64())
            connection.register("events", events.append_column(_ROW, rows))
            matches = sorted(self._match(connection))
        self.check_applied()
        return events.take(pa.array(matches, pa.int64()))

    def check_applied(self) -> None:
        """Raise an error if no event type seen so far has the fields of the condition.

        Raises:
            QueryError: None of them has.
        """
        if self._missing is not None and not self._applied:
            raise QueryError(
                f"{self._label}: no event here has the field {self._missing!r}"
                f"{self._suggest(self._missing)}"
            )

    def _suggest(self, missing: str) -> str:
        """Return the field that is probably meant; a name with a `/` must be quoted in SQL."""
        hint = nearest(missing, sorted(self._names))
        return f"; did you mean {quote_name(hint) if '/' in hint else hint}?" if hint else ""

    def _query(self, selected: str) -> str:
        # A line of its own: the condition may end in a comment.
        return f"select {selected} from events where ({self._condition}\n)"

    def _match(self, connection: duckdb.DuckDBPyConnection) -> list[int]:
        try:
            rows = connection.execute(self._query(quote_name(_ROW))).fetchall()
        except duckdb.BinderException as error:
            missing = _MISSING.search(str(error))
            if missing is None:
                raise self._explain(error) from error
            self._missing = self._missing or missing[1]
            return []
        except duckdb.Error as error:
            raise self._explain(error) from error
        self._applied = True
        return [row for (row,) in rows]

    def _explain(self, error: duckdb.Error) -> QueryError:
        """Return an error with the first line of DuckDB's message: the rest shows our own query."""
        return QueryError(f"{self._label}: {str(error).splitlines()[0]}")
