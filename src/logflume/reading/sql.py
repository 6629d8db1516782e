"""SQL over the events of runs, by DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from logflume.events import CATALOGUE
from logflume.exceptions import MissingExtraError, QueryError
from logflume.reading.current import OF_THE_ATTEMPT
from logflume.reading.query import RunFiles, find_types
from logflume.reading.source import Source, find_source
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
            for name in _named(query, views):
                connection.register(name, views[name]().arrow)
            for name in _named(query, {*CATALOGUE, *find_types(runs)}):
                _make_view(connection, name, runs)
            answer: pa.Table = connection.sql(query).to_arrow_table()
        except duckdb.IOException as error:
            raise FileNotFoundError(str(error)) from error
        except duckdb.Error as error:
            names = [*sorted(find_types(runs)), *views]
            raise QueryError(f"{error}\nViews: {', '.join(names)}") from error
        return answer


def _named(query: str, names: Iterable[str]) -> list[str]:
    """Return the names that a query has in it; DuckDB can't tell before there are the tables."""
    return [name for name in names if name.casefold() in query.casefold()]


def _make_view(connection: duckdb.DuckDBPyConnection, name: str, runs: Sequence[RunFiles]) -> None:
    """Make the view of a type."""
    selects = []
    for continued in (False, True):
        of_kind = [r for r in runs if (r.is_current and name not in OF_THE_ATTEMPT) is continued]
        sources = [find_source(snapshot, name) for run in of_kind for snapshot in run.snapshots]
        if events := _select_all(connection, sources, f"{name}/{continued}"):
            selects.append(f"select * from ({events}) {_LATEST if continued else ''}")
    if not selects:
        connection.register(f"{name}/none", Columns(name).schema.empty_table())
        selects = [f'select * from "{name}/none"']
    connection.execute(
        f'create view "{name}" as select * from ({" union all by name ".join(selects)}) '
        f"where event = {_quote(name)}"
    )


def _select_all(
    connection: duckdb.DuckDBPyConnection, sources: Sequence[Source], prefix: str
) -> str:
    """Return the query for all events of these sources; empty if there are none."""
    selects = []
    if files := [_quote(str(path)) for source in sources for path in source.files]:
        selects.append(f"select * from read_parquet([{', '.join(files)}], union_by_name = true)")
    for number, source in enumerate(sources):
        if source.journaled is not None:
            connection.register(f"{prefix}/{number}", source.journaled)
            selects.append(f'select * from "{prefix}/{number}"')
    return " union all by name ".join(selects)


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
