"""`logflume sql`: a query over a run, or over many."""

from __future__ import annotations

from typing import Annotated

import typer

from logflume.cli.base import AllAttempts, RunsArgument, open_any
from logflume.cli.tables import FormatOption, OutOption, TableFormat, write_table

__all__ = ["sql"]


def sql(
    run: RunsArgument,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="A query in DuckDB's SQL.")],
    as_format: FormatOption = TableFormat.TABLE,
    out: OutOption = None,
    all_attempts: AllAttempts = False,
) -> None:
    """Ask a run, or many ('logs/*'), in SQL.

    Each type of event is a view, named as the type: training, reward, model_output … So are
    metrics (step, name, value), rewards (one row a completion and function) and outputs.

    Example: logflume sql latest 'select step, reward, loss from training order by step'

    Example: logflume sql 'logs/*' 'select run, max(reward) from training group by run'
    """
    write_table(open_any(run, all_attempts).sql(query), as_format, out)
