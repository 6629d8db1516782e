"""`logflume doctor`: every file of a run against its journal."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from logflume.cli.base import JsonOption, RunArgument, find_run
from logflume.cli.printing import print_json, print_table
from logflume.cli.progress import byte_progress
from logflume.formats.journal import journal_bytes
from logflume.maintenance.doctor import diagnose
from logflume.maintenance.repair import repair

__all__ = ["doctor"]


def doctor(
    run: RunArgument,
    fix: Annotated[
        bool, typer.Option("--fix", help="Repair what the journal allows; not while it is written.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Check every file of a run against its journal; ends with 1 if something is wrong.

    Without --fix nothing is changed. With it torn ends are cut, outputs made as the journal is,
    leftovers removed; what is told then could not be repaired.

    Example: logflume doctor latest

    Example: logflume doctor latest --fix
    """
    folder = find_run(run)
    with byte_progress(journal_bytes(folder), "Repair" if fix else "Check") as tell:
        found = (repair if fix else diagnose)(folder, tell)
    rows = [msgspec.structs.asdict(issue) for issue in found]
    if json:
        print_json(rows)
    elif rows:
        print_table(rows)
    else:
        typer.echo(f"{folder}: all is well")
    if found:
        raise typer.Exit(1)
