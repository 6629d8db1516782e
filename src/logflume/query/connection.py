"""Connections to DuckDB that reach nothing but the files of a run, and quoting for statements."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from logflume.exceptions import QueryError
from logflume.resources import memory_limit_bytes

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = [
    "check_is_query",
    "connect",
    "lock",
    "max_bytes",
    "quote_file",
    "quote_name",
    "quote_text",
]

_MAX_THREADS = 4
"""Of a query: the CPU cores belong to the training, and each thread takes memory of its own."""

_PIVOT = re.compile(r"\s*pivot\b", re.IGNORECASE)


def connect() -> DuckDBPyConnection:
    """Return a connection without extensions, and without access to variables of Python.

    It takes at most `max_bytes()` of memory and `_MAX_THREADS` threads, and creates no files.
    """
    return duckdb.connect(
        config={
            "memory_limit": f"{max_bytes()}B",
            "threads": min(_MAX_THREADS, os.cpu_count() or 1),
            # Else results that don't fit in memory go to files in the current folder.
            "temp_directory": "",
            "allow_community_extensions": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # Else DuckDB resolves unknown names to variables of this package.
            "python_enable_replacements": False,
        }
    )


def max_bytes() -> int:
    """Return the memory that a query may take, and again its result: half of what there is."""
    return memory_limit_bytes() // 2


def lock(connection: DuckDBPyConnection, files: Iterable[Path] = ()) -> None:
    """Limit the statements from here on to some files; no statement can lift the limit."""
    ((is_locked,),) = connection.execute("select current_setting('lock_configuration')").fetchall()
    if not is_locked:
        # The patterns that stand for the files are checked, and then the files.
        allowed = [form for path in files for form in (quote_text(str(path)), quote_file(path))]
        connection.execute(f"set allowed_paths = [{', '.join(dict.fromkeys(allowed))}]")
        connection.execute("set enable_external_access = false; set lock_configuration = true")


def check_is_query(query: str) -> None:
    """Raise an error if a text is anything but one query.

    Raises:
        QueryError: It isn't.
        duckdb.Error: It is not valid SQL.
    """
    statements = duckdb.extract_statements(query)
    if len(statements) != 1:
        found = f"found {len(statements)} statements" if statements else "this returns no result"
        raise QueryError(f"sql: expected one query, such as a select; {found}")
    # The statement `pivot` consists of several.
    is_pivot = bool(_PIVOT.match(query)) and statements[0].type == duckdb.StatementType.MULTI
    if statements[0].type != duckdb.StatementType.SELECT and not is_pivot:
        raise QueryError(
            "sql: expected a query, such as a select; "
            "other statements need `external=True`, or `logflume sql --external`"
        )


def quote_file(path: Path) -> str:
    """Return a file as a literal: DuckDB takes every path for a pattern."""
    return quote_text(glob.escape(str(path)))


def quote_name(name: str) -> str:
    """Return a name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Return a text as a literal."""
    return "'" + text.replace("'", "''") + "'"
