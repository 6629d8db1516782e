"""SQL over the events of runs, by DuckDB."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from logflume.events import CATALOGUE
from logflume.exceptions import MissingExtraError, QueryError
from logflume.reading.current import OF_THE_ATTEMPT
from logflume.reading.query import RunFiles, find_types
from logflume.reading.snapshot import Snapshot
from logflume.values.arrow_columns import Columns

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from logflume.reading.table import Table

__all__ = ["run_sql"]

_LATEST = "qualify step is null or attempt = max(attempt) over (partition by run, step, mode)"


def run_sql(
    query: str, runs: Sequence[RunFiles], views: Mapping[str, Callable[[], Table]]
) -> pa.Table:
    """Return the answer to a query.

    Args:
        query: SQL. Each type of event is a view; those that the query names are made.
        runs: What the writers of all runs have written.
        views: Further views, by name.

    Raises:
        MissingExtraError: DuckDB is not installed.
        QueryError: The query is wrong.
        FileNotFoundError: Files were replaced meanwhile: the next try may succeed.
    """
    try:
        import duckdb
    except ModuleNotFoundError as error:
        raise MissingExtraError("duckdb", "analysis") from error
    with duckdb.connect() as connection:
        # A name that is no view must not be looked up among the variables of this module.
        connection.execute("set python_enable_replacements = false; set timezone = 'UTC'")
        try:
            named = _find_names(connection, query)
            for name in named & set(views):
                connection.register(name, views[name]().arrow)
            types = {*CATALOGUE, *find_types(runs)} if named - set(views) else ()
            for name in (name for name in types if name.casefold() in named):
                _make_view(connection, name, runs)
            answer: pa.Table = connection.sql(query).to_arrow_table()
        except duckdb.IOException as error:
            raise FileNotFoundError(str(error)) from error
        except duckdb.Error as error:
            names = [*sorted(find_types(runs)), *views]
            raise QueryError(f"{error}\nViews: {', '.join(names)}") from error
        return answer


def _find_names(connection: duckdb.DuckDBPyConnection, query: str) -> set[str]:
    """Return the names of tables in a query, in lower case: those that it reads from.

    Of what is no plain `select` they are all its words, for DuckDB doesn't show its parts.
    """
    text: str
    ((text,),) = connection.execute("select json_serialize_sql(?)", [query]).fetchall()
    tree = orjson.loads(text)
    if tree["error"]:
        return {word.strip('"').casefold() for word in re.findall(r'"[^"]*"|[\w.]+', query)}
    return {name.casefold() for name in _tables(tree)}


def _tables(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if node.get("type") == "BASE_TABLE":
            yield node["table_name"]
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from _tables(inner)


def _make_view(connection: duckdb.DuckDBPyConnection, name: str, runs: Sequence[RunFiles]) -> None:
    """Make the view of a type."""
    selects = []
    for continued in (False, True):
        of_kind = [r for r in runs if (r.is_current and name not in OF_THE_ATTEMPT) is continued]
        snapshots = [snapshot for run in of_kind for snapshot in run.snapshots]
        if events := _select_all(connection, name, snapshots, f"{name}/{continued}"):
            selects.append(f"select * from ({events}) {_LATEST if continued else ''}")
    if not selects:
        connection.register(f"{name}/none", Columns(name).schema.empty_table())
        selects = [f'select * from "{name}/none"']
    connection.execute(
        f'create view "{name}" as select * from ({" union all by name ".join(selects)}) '
        f"where event = {_quote(name)}"
    )


def _select_all(
    connection: duckdb.DuckDBPyConnection, name: str, snapshots: Sequence[Snapshot], prefix: str
) -> str:
    """Return the query for all events of a type; empty if there are none."""
    selects = []
    if files := [_quote(str(path)) for snapshot in snapshots for path in snapshot.files(name)]:
        listed = ", ".join(files)
        options = "union_by_name = true, hive_partitioning = false"
        selects.append(f"select * from read_parquet([{listed}], {options})")
    for number, snapshot in enumerate(snapshots):
        if (journaled := snapshot.journaled(name)) is not None:
            connection.register(f"{prefix}/{number}", journaled)
            selects.append(f'select * from "{prefix}/{number}"')
    return " union all by name ".join(selects)


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
