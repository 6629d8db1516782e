"""`logflume doctor`: checks every file of a run against its journal."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from logflume.cli.base import ImportOption, JsonOption, OptionalRunArgument, find_run, import_sinks
from logflume.cli.printing import UNLIMITED_WIDTH, cell, console, echo, print_json
from logflume.cli.progress import byte_progress
from logflume.exceptions import RunError
from logflume.terminal.cells import wrap

if TYPE_CHECKING:
    from logflume.maintenance.verify import Issue

__all__ = ["doctor"]


def doctor(
    run: OptionalRunArgument = None,
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

    Without --fix, it changes nothing, and checks the latest run if none is named.

    With --fix, it removes torn last lines, makes sink files match the journal, and deletes stale
    files; it lists what it repaired, and which issues remain.

    Example: logflume doctor latest

    Example: logflume doctor latest --fix
    """
    import msgspec

    from logflume.formats.journal import journal_bytes
    from logflume.maintenance.doctor import diagnose
    from logflume.maintenance.repair import repair

    if run is None and fix:
        raise RunError("--fix changes a run: name it, for example 'logflume doctor latest --fix'")
    load = partial(import_sinks, imports or [])
    load()
    folder = find_run(run or "latest")
    notes: dict[str, None] = {}  # each rank has the same line about a sink file
    with byte_progress(journal_bytes(folder), "Repair" if fix else "Check") as on_progress:
        repaired: list[Issue] = []
        check = (
            partial(repair, on_repaired=repaired.append)
            if fix
            else partial(diagnose, processes=None, initializer=load)
        )
        issues = check(folder, on_progress, outside or (), lambda line: notes.update({line: None}))
    for note in notes:
        echo(note, err=True)
    if json:
        print_json([msgspec.structs.asdict(issue) for issue in issues])
    else:
        for issue in repaired:
            _print_wrapped(f"repaired: {_text(issue)}")
        for issue in issues:
            _print_wrapped(_text(issue))
            _print_wrapped(f"  {issue.do}")
        if not issues:
            echo(f"{folder}: no issues" + " in what was checked" * bool(notes))
    if issues:
        raise typer.Exit(1)


def _text(issue: Issue) -> str:
    return f"{cell(issue.file)}: {cell(issue.what)} ({issue.count:,})"


def _print_wrapped(text: str) -> None:
    for line in wrap(cell(text), console(UNLIMITED_WIDTH).width):
        echo(line)
