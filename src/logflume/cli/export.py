"""`logflume export`: writes data of a run to one file, for use in other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from logflume.cli.base import AllAttempts, RunsArgument, open_any
from logflume.cli.tables import TableFormat, write_table
from logflume.config.errors import suggest
from logflume.exceptions import QueryError

if TYPE_CHECKING:
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
            help="metrics, wide (metrics, one column each), rewards, outputs, or an event type.",
        ),
    ],
    out: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file to write: .csv, .json or .parquet.")
    ],
    all_attempts: AllAttempts = False,
) -> None:
    """Write data of a run, or of several ('logs/*'), to one file.

    CSV has the exact values. For spreadsheets, the csv sink is safer, because it neutralizes
    formulas (logflume replay RUN --to csv).

    Example: logflume export latest wide metrics.csv

    Example: logflume export 'logs/*' rewards rewards.parquet
    """
    if out.suffix not in _FORMATS:
        raise QueryError(f"{out}: the name must end in one of {', '.join(_FORMATS)}")
    write_table(_query(open_any(run, all_attempts), what), _FORMATS[out.suffix], out)


def _query(run: Run | Runs, what: str) -> Table:
    if what in ("metrics", "wide"):
        return run.metrics(wide=what == "wide")
    if what in ("rewards", "outputs"):
        return run.rewards() if what == "rewards" else run.outputs()
    types = run.types()
    if what not in types:
        raise QueryError(
            f"{what!r} is not metrics, wide, rewards, outputs or an event type here; "
            + suggest(what, ["metrics", "wide", "rewards", "outputs", *sorted(types)])
        )
    return run.events(what)
