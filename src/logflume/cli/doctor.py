"""`logflume doctor`: checks every file of a run against its journal."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from logflume.cli.base import ImportOption, JsonOption, RunArgument, find_run, import_sinks
from logflume.cli.printing import echo, print_json, print_table
from logflume.cli.progress import byte_progress

__all__ = ["doctor"]


def doctor(
    run: RunArgument,
    fix: Annotated[
        bool, typer.Option("--fix", help="Repair what the journal allows. The run must have ended.")
    ] = False,
    outside: Annotated[
        list[Path] | None,
        typer.Option(
            help="A sink file outside the run's folder to include; may be repeated. Other files "
            "outside it are left alone.",
            show_default=False,
        ),
    ] = None,
    imports: ImportOption = None,
    json: JsonOption = False,
) -> None:
    """Check every file of a run against its journal. The exit status is 1 if there are issues.

    Without --fix, it changes nothing. With --fix, it removes torn last lines, makes sink files
    match the journal, and deletes stale files; it lists only the issues that it could not repair.

    Example: logflume doctor latest

    Example: logflume doctor latest --fix
    """
    import msgspec

    from logflume.formats.journal import journal_bytes
    from logflume.maintenance.doctor import diagnose
    from logflume.maintenance.repair import repair

    load = partial(import_sinks, imports or [])
    load()
    folder = find_run(run)
    notes: dict[str, None] = {}  # each rank has the same line about a sink file
    with byte_progress(journal_bytes(folder), "Repair" if fix else "Check") as on_progress:
        check = repair if fix else partial(diagnose, processes=None, initializer=load)
        issues = check(folder, on_progress, outside or (), lambda line: notes.update({line: None}))
    for note in notes:
        echo(note, err=True)
    rows = [msgspec.structs.asdict(issue) for issue in issues]
    if json:
        print_json(rows)
    elif rows:
        print_table(rows)
    else:
        echo(f"{folder}: no issues" + " in what was checked" * bool(notes))
    if issues:
        raise typer.Exit(1)
