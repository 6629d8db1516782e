"""`logflume replay`: outputs made anew from the journal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from logflume.cli.base import JsonOption, RunArgument, find_run
from logflume.cli.printing import print_json, print_table, size_text
from logflume.cli.progress import byte_progress
from logflume.formats.journal import journal_bytes
from logflume.maintenance.replay import Rebuilt
from logflume.maintenance.replay import replay as replay_run

__all__ = ["replay"]


def replay(
    run: RunArgument,
    to: Annotated[
        str,
        typer.Option(
            help="Kinds of outputs, with commas between: csv, parquet, tensorboard, "
            "console (the log file), jsonl (only with --out)."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="A folder to make them in; else those of the run are replaced.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make outputs of a run anew from its journal, through the same sinks.

    All ranks and attempts are there, NaN and infinities as they were. An output is replaced in one
    step, when the new one is complete; a run that is being written is refused, but for --out.

    Example: logflume replay latest --to csv,parquet,tensorboard

    Example: logflume replay latest --to csv --out /tmp/copy
    """
    folder = find_run(run)
    kinds = [kind.strip() for kind in to.split(",") if kind.strip()]
    with byte_progress(journal_bytes(folder), "Replay") as tell:
        made = replay_run(folder, kinds, out, tell)
    if json:
        print_json([{**_as_dict(one), "size_bytes": one.size_bytes} for one in made])
    elif made:
        print_table([{**_as_dict(one), "size": size_text(one.size_bytes)} for one in made])
    else:
        typer.echo(f"{folder}: nothing was made")


def _as_dict(made: Rebuilt) -> dict[str, object]:
    return {"path": str(made.path), "events": made.events}
