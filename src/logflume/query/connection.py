"""Connections to DuckDB that can read only the files of a run, and quoting for statements."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import orjson
from duckdb import DuckDBPyConnection

from logflume.exceptions import QueryError
from logflume.resources import memory_limit_bytes

__all__ = [
    "check_is_query",
    "connect",
    "lock",
    "max_bytes",
    "quote_file",
    "quote_name",
    "quote_text",
    "syntax_nodes",
]

_MAX_THREADS = 4
"""Threads of a query: the CPU cores belong to the training, and each thread needs memory."""

_PIVOT = re.compile(r"\s*pivot\b", re.IGNORECASE)


def connect() -> DuckDBPyConnection:
    """Return a connection without extensions, and without access to variables of Python.

    It uses at most `max_bytes()` of memory and `_MAX_THREADS` threads, and creates no files.
    """
    return duckdb.connect(
        config={
            "memory_limit": f"{max_bytes()}B",
            "threads": min(_MAX_THREADS, os.cpu_count() or 1),
            # Otherwise results that don't fit in memory go to files in the current folder.
            "temp_directory": "",
            "allow_community_extensions": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # Otherwise DuckDB resolves unknown names to variables of this package.
            "python_enable_replacements": False,
        }
    )


def max_bytes() -> int:
    """Return the memory that a query may use, and its result again: half of the memory limit."""
    return memory_limit_bytes() // 2


def lock(connection: DuckDBPyConnection, files: Iterable[Path] = ()) -> None:
    """Restrict all further statements to these files; no statement can lift the restriction."""
    ((is_locked,),) = connection.execute("select current_setting('lock_configuration')").fetchall()
    if not is_locked:
        # DuckDB checks each pattern, and then each file that it matches.
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


def syntax_nodes(connection: DuckDBPyConnection, query: str) -> list[dict[str, Any]] | None:
    """Return all nodes of a query's syntax tree; None of anything but a plain `select`."""
    text: str
    ((text,),) = connection.execute("select json_serialize_sql(?)", [query]).fetchall()
    tree = orjson.loads(text)
    return None if tree["error"] else list(_nodes(tree))


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for inner in tree:
            yield from _nodes(inner)


def quote_file(path: Path) -> str:
    """Return a path as a literal: DuckDB treats every path as a pattern."""
    return quote_text(glob.escape(str(path)))


def quote_name(name: str) -> str:
    """Return a name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Return a text as a literal."""
    return "'" + text.replace("'", "''") + "'"
