"""Rows that wait in memory for their part."""

from __future__ import annotations

import pyarrow as pa

from ._pq_part import widen

__all__ = ["Pending"]

_CHUNK_ROWS = 1_000
_CHUNK_TABLES = 64


class Pending:
    """Arrow tables of one type and attempt, in the order they came.

    Attributes:
        rows: How many events wait.
        memory_bytes: The memory of their values.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.memory_bytes = 0
        self._chunks: list[pa.Table] = []
        self._latest: list[pa.Table] = []

    def add(self, table: pa.Table) -> None:
        """Let the rows of a table wait."""
        self.rows += table.num_rows
        self.memory_bytes += table.nbytes
        self._latest.append(table)
        # A table of few rows takes more memory than its values: its columns are objects too.
        if (
            len(self._latest) >= _CHUNK_TABLES
            or sum(latest.num_rows for latest in self._latest) >= _CHUNK_ROWS
        ):
            self._chunks.append(_join(self._latest, table.schema).combine_chunks())
            self._latest.clear()

    def to_table(self, schema: pa.Schema) -> pa.Table:
        """Return all rows, with the columns of `schema`."""
        return _join([*self._chunks, *self._latest], schema)


def _join(tables: list[pa.Table], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables([widen(table, schema) for table in tables])
