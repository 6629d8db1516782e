"""Runs SQL queries on the events of runs, with DuckDB."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb
import pyarrow as pa

from logflume.events.catalogue import CATALOGUE
from logflume.exceptions import QueryError
from logflume.formats.parquet import open_part
from logflume.query.connection import (
    check_is_query,
    connect,
    lock,
    max_bytes,
    quote_file,
    quote_name,
    quote_text,
    syntax_nodes,
)
from logflume.query.journal_tables import read_journal_tables
from logflume.query.run_snapshot import Snapshot
from logflume.query.scan import RunFiles, find_types, read_events
from logflume.runs.latest_attempts import ATTEMPT_EVENTS, LATEST_SQL
from logflume.values.arrow import Columns

if TYPE_CHECKING:
    from logflume.query.table import Table

__all__ = ["run_sql"]

_BATCH_ROWS = 512
"""Rows of a result that are fetched at once."""


def run_sql(
    query: str,
    runs: Sequence[RunFiles],
    views: Mapping[str, Callable[[], Table]],
    *,
    external: bool = False,
) -> pa.Table:
    """Return the result of a query.

    Args:
        query: SQL. Each event type is a view; only the views that the query names are created.
        runs: The files of all runs.
        views: Additional views, by name.
        external: Whether any statement runs, with access to all files and to extensions.

    Raises:
        QueryError: The query is invalid.
        FileNotFoundError: Files were replaced in the meantime; another try may succeed.
    """
    try:
        if not external:
            check_is_query(query)
        with duckdb.connect() if external else connect() as connection:
            connection.execute("set python_enable_replacements = false; set timezone = 'UTC'")
            try:
                return _execute(connection, query, runs, views, _create_view, external)
            except duckdb.ConversionException:
                # SQL can't combine the kinds of a field that differ between runs. Use tables
                # instead, in which such a field is text.
                return _execute(connection, query, runs, views, _register_table, external)
    except duckdb.PermissionException as error:
        raise QueryError(
            f"{error}\nA query can read only the events of the runs. To read anything else, use "
            "the option `external` (`logflume sql --external`)"
        ) from error
    except duckdb.OutOfMemoryException as error:
        raise QueryError(
            f"{str(error).splitlines()[0]}\nA query gets half of the memory that this process may "
            "use. Select fewer columns or rows, or lift the limit with the option `external` "
            "(`logflume sql --external`)"
        ) from error
    except duckdb.IOException as error:
        if _all_exist(runs):
            raise QueryError(str(error)) from error
        raise FileNotFoundError(str(error)) from error
    except duckdb.Error as error:
        names = dict.fromkeys([*sorted(find_types(runs)), *views])
        text = re.sub(r'\nDid you mean "pg_.*', "", str(error))
        raise QueryError(f"{text}\nViews: {', '.join(names)}") from error


CreateView: TypeAlias = Callable[[duckdb.DuckDBPyConnection, str, Sequence[RunFiles]], None]


def _execute(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    runs: Sequence[RunFiles],
    views: Mapping[str, Callable[[], Table]],
    create_view: CreateView,
    external: bool,
) -> pa.Table:
    needed = _find_views(connection, query, runs, views)
    for name, event_type in needed.items():
        connection.execute(f"drop view if exists {quote_name(name)}")
        if event_type is None:
            connection.register(name, views[name]().arrow)
        else:
            create_view(connection, event_type, runs)
    if not external:
        snapshots = [snapshot for run in runs for snapshot in run.snapshots]
        types = [event_type for event_type in needed.values() if event_type is not None]
        lock(connection, (path for one in snapshots for name in types for path in one.files(name)))
    result = connection.sql(query)
    if result is None:
        raise QueryError("sql: this statement returns no result; use a query, such as a select")
    return _without_decimals(_fetch(result, None if external else max_bytes()))


def _fetch(result: duckdb.DuckDBPyRelation, most_bytes: int | None) -> pa.Table:
    """Return the rows of a result.

    A text that DuckDB holds once for many rows is copied for each row here. So the rows come in
    batches, in which DuckDB limits each column to 2 GB.

    Args:
        result: The result.
        most_bytes: The maximum size of the rows; None: no limit.

    Raises:
        QueryError: They exceed it.
    """
    # The first name is that of DuckDB 1.4 and later.
    to_reader = getattr(result, "to_arrow_reader", None) or result.fetch_record_batch
    reader: pa.RecordBatchReader = to_reader(_BATCH_ROWS)
    batches: list[pa.RecordBatch] = []
    taken_bytes = 0
    try:
        for batch in reader:
            batches.append(batch)
            taken_bytes += batch.nbytes
            if most_bytes is not None and taken_bytes > most_bytes:
                raise QueryError(
                    f"sql: the result takes more than {most_bytes:,} bytes, half of the memory "
                    "that this process may use; select fewer columns or rows, or add a limit"
                )
    except (OSError, pa.ArrowException) as error:
        raise _as_duckdb_error(str(error)) from error
    return pa.Table.from_batches(batches, reader.schema)


def _as_duckdb_error(text: str) -> duckdb.Error:
    """Return DuckDB's error for one raised through Arrow, whose text begins with its kind."""
    kinds = {
        "IO": duckdb.IOException,
        "Out of Memory": duckdb.OutOfMemoryException,
        "Conversion": duckdb.ConversionException,
        "Permission": duckdb.PermissionException,
    }
    return kinds.get(text.partition(" Error: ")[0], duckdb.Error)(text)


def _find_views(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    runs: Sequence[RunFiles],
    views: Mapping[str, Callable[[], Table]],
) -> dict[str, str | None]:
    """Return the views that a query needs: by name the event type, or None for an additional view.

    Names are case-insensitive, as in SQL, but a type with exactly that name takes precedence, and
    so does a type of the user over an additional view of the same name.
    """
    names = _find_names(connection, query)
    if names <= set(views) and not names & find_types(runs):
        return dict.fromkeys(names)
    needed: dict[str, str | None] = {}
    types = {*CATALOGUE, *find_types(runs)}
    for name in sorted(names):
        same = [one for one in sorted(types) if one.casefold() == name.casefold()]
        if same:
            event_type = name if name in same else same[0]
            needed[event_type] = event_type
        elif name.casefold() in views:
            needed[name.casefold()] = None
    return needed


def _without_decimals(table: pa.Table) -> pa.Table:
    """Convert decimals to integers or floats: in DuckDB a sum of integers is a decimal."""
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


def _all_exist(runs: Sequence[RunFiles]) -> bool:
    """Whether all files of the snapshots still exist."""
    snapshots = [snapshot for run in runs for snapshot in run.snapshots]
    return all(
        path.exists() for one in snapshots for name in one.types() for path in one.files(name)
    )


def _find_names(connection: duckdb.DuckDBPyConnection, query: str) -> set[str]:
    """Return the names of the tables in a query.

    For anything but a plain `select`, these are all words of the query, because DuckDB can't
    serialize its syntax tree.
    """
    nodes = syntax_nodes(connection, query)
    if nodes is None:
        return {word.strip('"') for word in re.findall(r'"[^"]*"|[\w.]+', query)}
    return {node["table_name"] for node in nodes if node.get("type") == "BASE_TABLE"}


def _create_view(
    connection: duckdb.DuckDBPyConnection, name: str, runs: Sequence[RunFiles]
) -> None:
    """Create the view of an event type."""
    selects = []
    for latest_only in (False, True):
        group = [r for r in runs if (r.latest_only and name not in ATTEMPT_EVENTS) is latest_only]
        snapshots = [snapshot for run in group for snapshot in run.snapshots]
        if events := _select_all(connection, name, snapshots, f"{name}/{latest_only}"):
            selects.append(f"select * from ({events}) {LATEST_SQL if latest_only else ''}")
    if not selects:
        connection.register(f"{name}/none", Columns(name).schema.empty_table())
        selects = [f"select * from {quote_name(f'{name}/none')}"]
    connection.execute(
        f"create view {quote_name(name)} as select * from ({' union all by name '.join(selects)}) "
        f"where event = {quote_text(name)}"
    )


def _register_table(
    connection: duckdb.DuckDBPyConnection, name: str, runs: Sequence[RunFiles]
) -> None:
    """Register an event type as a table, in which each column has a single kind."""
    connection.register(name, read_events(runs, name))


def _select_all(
    connection: duckdb.DuckDBPyConnection, name: str, snapshots: Sequence[Snapshot], prefix: str
) -> str:
    """Return the query for all events of a type; empty if there are none."""
    selects = []
    for path in (path for one in snapshots for path in one.files(name)):
        with open_part(path) as part:
            part.check_size()
    plain_files = [path for one in snapshots if not one.is_renamed for path in one.files(name)]
    if plain_files:
        selects.append(f"select * from {_scan(plain_files)}")
    for snapshot in snapshots:
        if snapshot.is_renamed and (files := snapshot.files(name)):
            run = quote_text(snapshot.run or "")
            selects.append(f"select * replace ({run} as run) from {_scan(files)}")
    for number, table in enumerate(read_journal_tables(snapshots, name)):
        connection.register(f"{prefix}/{number}", table)
        selects.append(f"select * from {quote_name(f'{prefix}/{number}')}")
    return " union all by name ".join(selects)


def _scan(files: Sequence[Path]) -> str:
    listed = ", ".join(map(quote_file, files))
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
