"""`logflume sql`: runs a SQL query on one or more runs."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from logflume.cli.base import AllAttempts, RunsArgument, open_any
from logflume.cli.printing import echo
from logflume.cli.tables import FormatOption, OutOption, TableFormat, write_table
from logflume.exceptions import LogflumeError
from logflume.terminal.escape import escape

if TYPE_CHECKING:
    from logflume.query.open_run import Run, Runs
    from logflume.query.table import Table

__all__ = ["sql"]

_VIEWS = {
    "metrics": "one row for each number: step, name, value",
    "rewards": "one row for each completion and reward function",
    "outputs": "completions with their rewards",
}
_SHOW_TABLES = re.compile(r"\s*show\s+(all\s+)?tables\s*;?\s*", re.IGNORECASE)
_EXIT = re.compile(r"\s*([.\\]?(exit|quit|q))\s*;?\s*", re.IGNORECASE)
_HELP = "'show tables' lists tables, 'describe training' columns; a query ends with ';'."


def sql(
    run: RunsArgument,
    query: Annotated[
        str | None,
        typer.Argument(
            metavar="QUERY",
            help="A query in DuckDB's SQL dialect. Without one, queries are read from a prompt, "
            "or from standard input.",
            show_default=False,
        ),
    ] = None,
    as_format: FormatOption = TableFormat.TABLE,
    out: OutOption = None,
    all_attempts: AllAttempts = False,
    external: Annotated[
        bool, typer.Option("--external", help="Allow other files, extensions, and all statements.")
    ] = False,
) -> None:
    """Query a run, or several ('logs/*'), in SQL.

    Each event type is a view: training, reward, model_output … Other views are metrics (step, name,
    value), rewards (one row for each completion and reward function) and outputs. 'show tables'
    lists all of them.

    Example: logflume sql latest 'select step, reward, loss from training order by step'

    Example: logflume sql 'logs/*' 'select run, max(reward) from training group by run'
    """
    opened = open_any(run, all_attempts)
    if query is not None:
        _answer(opened, query, as_format, out, external=external)
    elif sys.stdin.isatty():
        _prompt(opened, as_format, external=external)
    else:
        _answer(opened, sys.stdin.read(), as_format, out, external=external)


def _answer(
    opened: Run | Runs,
    query: str,
    as_format: TableFormat,
    out: Path | None = None,
    *,
    external: bool,
) -> None:
    """Run a query and write its result."""
    is_list = _SHOW_TABLES.fullmatch(query) is not None
    result = _tables(opened) if is_list else opened.sql(query, external=external)
    write_table(result, as_format, out)


def _tables(opened: Run | Runs) -> Table:
    """Return the tables that a query can read: the event types, and the views."""
    import pyarrow as pa

    from logflume.query.table import Table

    types = opened.types()
    rows: list[dict[str, str | int | None]] = [
        {"name": name, "rows": types[name], "content": "events of this type"}
        for name in sorted(types)
    ]
    rows += [
        {"name": name, "rows": None, "content": text}
        for name, text in _VIEWS.items()
        if name not in types
    ]
    return Table(pa.Table.from_pylist(rows))


def _prompt(opened: Run | Runs, as_format: TableFormat, *, external: bool) -> None:
    """Read queries from the terminal and answer them, until the input ends."""
    _enable_editing([*opened.types(), *_VIEWS])
    echo(f"{escape(repr(opened))}  Ctrl-D ends.\n{_HELP}")
    lines: list[str] = []
    while True:
        try:
            line = input("   ...> " if lines else "sql> ")
        except EOFError:
            echo("")
            return
        except KeyboardInterrupt:
            echo("")
            lines.clear()
            continue
        if not lines and _EXIT.fullmatch(line):
            return
        lines.append(line)
        query = "\n".join(lines).strip()
        is_complete = query.endswith(";") or _SHOW_TABLES.fullmatch(query) or query in ("help", "?")
        if not query or is_complete:
            lines.clear()
        if is_complete:
            _try(opened, query, as_format, external=external)


def _try(opened: Run | Runs, query: str, as_format: TableFormat, *, external: bool) -> None:
    if query.rstrip(";") in ("help", "?"):
        echo(_HELP)
        return
    try:
        _answer(opened, query, as_format, external=external)
    except LogflumeError as error:
        echo(str(error), err=True)
    except KeyboardInterrupt:
        echo("interrupted", err=True)


def _enable_editing(names: list[str]) -> None:
    """Give the prompt a history, and let the tab key complete names of tables."""
    try:
        import readline
    except ImportError:  # not on every platform
        return

    def complete(text: str, state: int) -> str | None:
        matching = [name for name in names if name.startswith(text)]
        return matching[state] if state < len(matching) else None

    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")
