"""`logflume sql`: runs a SQL query on one or more runs."""

from __future__ import annotations

from typing import Annotated

import typer

from logflume.cli.base import AllAttempts, RunsArgument, open_any
from logflume.cli.tables import FormatOption, OutOption, TableFormat, write_table

__all__ = ["sql"]


def sql(
    run: RunsArgument,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="A query in DuckDB's SQL dialect.")],
    as_format: FormatOption = TableFormat.TABLE,
    out: OutOption = None,
    all_attempts: AllAttempts = False,
    external: Annotated[
        bool, typer.Option("--external", help="Allow other files, extensions and any statement.")
    ] = False,
) -> None:
    """Query a run, or several ('logs/*'), in SQL.

    Each event type is a view of that name: training, reward, model_output … So are metrics (step,
    name, value), rewards (one row for each completion and function) and outputs.

    Example: logflume sql latest 'select step, reward, loss from training order by step'

    Example: logflume sql 'logs/*' 'select run, max(reward) from training group by run'
    """
    write_table(open_any(run, all_attempts).sql(query, external=external), as_format, out)
