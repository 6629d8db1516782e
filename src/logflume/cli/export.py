"""`logflume export`: a part of a run, in one file for another tool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from logflume.cli.base import AllAttempts, RunsArgument, open_any
from logflume.cli.tables import TableFormat, write_table
from logflume.exceptions import QueryError
from logflume.query.open_run import Run, Runs
from logflume.query.table import Table

__all__ = ["export"]

_FORMATS = {".csv": TableFormat.CSV, ".json": TableFormat.JSON, ".parquet": TableFormat.PARQUET}


def export(
    run: RunsArgument,
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            help="metrics, wide (metrics, one column each), rewards, outputs, or a type of event.",
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="FILE", help="The file: .csv, .json or .parquet.")],
    all_attempts: AllAttempts = False,
) -> None:
    """Write a part of a run, or of many ('logs/*'), to one file.

    CSV has the exact values. For a spreadsheet the sink csv is safer: it makes formulas harmless
    (logflume replay RUN --to csv).

    Example: logflume export latest wide metrics.csv

    Example: logflume export 'logs/*' rewards rewards.parquet
    """
    if out.suffix not in _FORMATS:
        raise QueryError(f"{out}: the name has to end in {', '.join(_FORMATS)}")
    write_table(_choose(open_any(run, all_attempts), what), _FORMATS[out.suffix], out)


def _choose(run: Run | Runs, what: str) -> Table:
    if what in ("metrics", "wide"):
        return run.metrics(wide=what == "wide")
    if what in ("rewards", "outputs"):
        return run.rewards() if what == "rewards" else run.outputs()
    types = run.types()
    if what not in types:
        raise QueryError(
            f"{what!r} is neither metrics, wide, rewards or outputs nor a type of event here; "
            f"there are {', '.join(sorted(types))}"
        )
    return run.events(what)
