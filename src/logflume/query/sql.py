"""SQL over the events of runs, by DuckDB."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from logflume.events.catalogue import CATALOGUE
from logflume.exceptions import MissingExtraError, QueryError
from logflume.query.run_snapshot import Snapshot
from logflume.query.scan import RunFiles, find_types, read_events
from logflume.runs.latest_attempts import ATTEMPT_EVENTS
from logflume.values.arrow import Columns

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from logflume.query.table import Table

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
    try:
        with duckdb.connect() as connection:
            # A name that is no view must not be looked up among the variables of this module.
            connection.execute("set python_enable_replacements = false; set timezone = 'UTC'")
            try:
                return _ask(connection, query, runs, views, _make_view)
            except duckdb.ConversionException:
                # A field is of two kinds that SQL can't put together: text, as the tables have it.
                return _ask(connection, query, runs, views, _make_table)
    except duckdb.IOException as error:
        if _are_there(runs):
            raise QueryError(str(error)) from error
        raise FileNotFoundError(str(error)) from error
    except duckdb.Error as error:
        names = dict.fromkeys([*sorted(find_types(runs)), *views])
        text = re.sub(r'\nDid you mean "pg_.*', "", str(error))
        raise QueryError(f"{text}\nViews: {', '.join(names)}") from error


MakeView: TypeAlias = "Callable[[duckdb.DuckDBPyConnection, str, Sequence[RunFiles]], None]"


def _ask(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    runs: Sequence[RunFiles],
    views: Mapping[str, Callable[[], Table]],
    make_view: MakeView,
) -> pa.Table:
    for name, found in _find_tables(connection, query, runs, views).items():
        connection.execute(f'drop view if exists "{name}"')
        if found is None:
            connection.register(name, views[name]().arrow)
        else:
            make_view(connection, found, runs)
    answer = connection.sql(query)
    if answer is None:
        raise QueryError("sql: this query has no answer; a query begins with select")
    return _plain_numbers(answer.to_arrow_table())


def _find_tables(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    runs: Sequence[RunFiles],
    views: Mapping[str, Callable[[], Table]],
) -> dict[str, str | None]:
    """Return the views that a query needs: of a type of event, or (None) one of the further ones.

    Names are told apart by their case only where SQL can: a type of exactly that name wins. So does
    a type of the user's own over a further view of that name.
    """
    asked = _find_names(connection, query)
    if asked <= set(views) and not asked & find_types(runs):
        return dict.fromkeys(asked)
    found: dict[str, str | None] = {}
    types = {*CATALOGUE, *find_types(runs)}
    for name in sorted(asked):
        same = [one for one in sorted(types) if one.casefold() == name.casefold()]
        if same:
            chosen = name if name in same else same[0]
            found[chosen] = chosen
        elif name.casefold() in views:
            found[name.casefold()] = None
    return found


def _plain_numbers(table: pa.Table) -> pa.Table:
    """Return the table with numbers that everybody knows: a sum of integers is a decimal of 38."""
    import pyarrow as pa

    for index, field in enumerate(table.schema):
        if not pa.types.is_decimal(field.type):
            continue
        column: Any = table.column(index)
        try:
            column = column.cast(pa.int64() if field.type.scale == 0 else pa.float64())
        except pa.ArrowInvalid:
            column = column.cast(pa.float64())
        table = table.set_column(index, field.name, column)
    return table


def _are_there(runs: Sequence[RunFiles]) -> bool:
    """Whether the files are still those that the snapshots have."""
    snapshots = [snapshot for run in runs for snapshot in run.snapshots]
    return all(
        path.exists() for one in snapshots for name in one.types() for path in one.files(name)
    )


def _find_names(connection: duckdb.DuckDBPyConnection, query: str) -> set[str]:
    """Return the names of tables in a query.

    Of what is no plain `select` they are all its words, for DuckDB doesn't show its parts.
    """
    text: str
    ((text,),) = connection.execute("select json_serialize_sql(?)", [query]).fetchall()
    tree = orjson.loads(text)
    if tree["error"]:
        return {word.strip('"') for word in re.findall(r'"[^"]*"|[\w.]+', query)}
    return set(_tables(tree))


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
        of_kind = [r for r in runs if (r.is_current and name not in ATTEMPT_EVENTS) is continued]
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


def _make_table(connection: duckdb.DuckDBPyConnection, name: str, runs: Sequence[RunFiles]) -> None:
    """Make the view of a type from a table that has one kind for each column."""
    connection.register(name, read_events(runs, name))


def _select_all(
    connection: duckdb.DuckDBPyConnection, name: str, snapshots: Sequence[Snapshot], prefix: str
) -> str:
    """Return the query for all events of a type; empty if there are none."""
    selects = []
    as_they_are = [path for one in snapshots if not one.is_renamed for path in one.files(name)]
    if as_they_are:
        selects.append(f"select * from {_scan(as_they_are)}")
    for number, snapshot in enumerate(snapshots):
        if snapshot.is_renamed and (files := snapshot.files(name)):
            run = _quote(snapshot.run or "")
            selects.append(f"select * replace ({run} as run) from {_scan(files)}")
        if (journaled := snapshot.journaled(name)) is not None:
            connection.register(f"{prefix}/{number}", journaled)
            selects.append(f'select * from "{prefix}/{number}"')
    return " union all by name ".join(selects)


def _scan(files: Sequence[Path]) -> str:
    listed = ", ".join(_quote(str(path)) for path in files)
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
