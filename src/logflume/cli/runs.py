"""`logflume runs`: lists, removes and archives runs."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from logflume.cli.base import (
    Command,
    CommandGroup,
    JsonOption,
    complete_run,
    find_run,
)
from logflume.cli.printing import (
    UNLIMITED_WIDTH,
    cell,
    console,
    echo,
    print_json,
    print_table,
    size_text,
)
from logflume.cli.progress import progress
from logflume.cli.run_columns import HYPERPARAMETER_PRIORITY, RUN_COLUMNS
from logflume.cli.run_selection import select_runs, sort_runs
from logflume.events.trainer_names import UNSET, is_incidental, main_hyperparameters
from logflume.exceptions import RunError
from logflume.formats.atomic import size_bytes
from logflume.query.open_run import Run, open_runs, runs_folder
from logflume.query.overview import find_status, read_overview
from logflume.runs.removal import archive_run, check_removable, remove_run
from logflume.terminal.cells import cell_len

__all__ = ["app"]

_LIST = "list"

MAX_HYPERPARAMETERS = 5
"""Columns of hyperparameters in the list."""

_WORD = re.compile(r"[A-Za-z_]\w*")

SeveralRuns: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN…",
        help="Runs: their folders, their ids, or 'latest'.",
        autocompletion=complete_run,
    ),
]
YesOption: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation.")]


class _DefaultGroup(CommandGroup):
    """A group whose first command is run if no command is named: `logflume runs logs`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the name of the first command where there is none."""
        is_named = bool(args) and (args[0] in self.commands or args[0] in ("-h", "--help"))
        return super().parse_args(ctx, args if is_named else [_LIST, *args])


app = typer.Typer(
    cls=_DefaultGroup,
    help="List runs (`logflume runs [FOLDER]`, options: `logflume runs list --help`), remove them, "
    "or archive them.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(_LIST, cls=Command)
def list_runs(
    folder: Annotated[
        str | None,
        typer.Argument(
            metavar="FOLDER",
            help="The folder that contains the runs; by default LOGFLUME_DIR, or logs.",
            show_default=False,
        ),
    ] = None,
    tags: Annotated[
        list[str] | None,
        typer.Option("--tag", help="Only runs with this tag; may be repeated.", show_default=False),
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(help="Only runs with this status, such as finished.", show_default=False),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            help="Only runs that match this condition in SQL, with hyperparameters and columns: "
            "'lr > 1e-5 and last_reward > 1'.",
            show_default=False,
        ),
    ] = None,
    sort: Annotated[
        str, typer.Option(help="A column or hyperparameter to sort by; the highest comes last.")
    ] = "started",
    reverse: Annotated[
        bool, typer.Option("--reverse", "-r", help="Put the highest first.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """List runs, newest last, with status, last step, last reward, tags and hyperparameters.

    Example: logflume runs logs --tag baseline --where "lr > 1e-5" --sort reward
    """
    path = Path(folder or runs_folder())
    try:
        opened = open_runs(path / "*")
    except RunError as error:
        raise RunError(
            f"{path}: there are no runs in this folder. Give the folder that contains the runs, "
            "such as 'logs'"
        ) from error
    described = [_describe(run) for run in progress(opened, len(opened), "Runs")]
    own = {name for _, names in described for name in names}
    listed = select_runs([run for run, _ in described], tags or [], status, where)
    sort_runs(listed, sort, reverse)
    if json:
        print_json(listed)
        return
    names = _named(listed, [sort, *_WORD.findall(where or "")]) or _distinguishing(listed, own)
    rows = []
    for run in listed:
        name = run["run"] if folder is None else f"{folder}/{Path(run['folder']).name}"
        rows.append(_as_row(run, name, names))
    print_table(_fitting(rows, names))
    for run in listed:
        if run["rank_note"]:
            echo(f"{run['folder']}: {run['rank_note']}", err=True)


@app.command("rm", cls=Command)
def remove(runs: SeveralRuns, yes: YesOption = False) -> None:
    """Delete runs: their folders with everything in them. A run that is being written is refused.

    Example: logflume runs rm logs/20261123-141502-a1b2
    """
    folders = [check_removable(find_run(name)) for name in runs]
    for folder in folders:
        echo(f"{folder}: {size_text(size_bytes(folder))}", err=True)
    if not yes:
        if not sys.stdin.isatty():
            raise RunError("rm deletes runs permanently; without a terminal, confirm with --yes")
        count = f"{len(folders)} runs" if len(folders) > 1 else "this run"
        typer.confirm(f"Delete {count} permanently?", abort=True, err=True)
    for folder in folders:
        remove_run(folder)
        echo(f"deleted {folder}")


@app.command("archive", cls=Command)
def archive(runs: SeveralRuns) -> None:
    """Move runs to the folder `archive` next to them, where commands find them by path only.

    `logflume runs logs/archive` lists them, and `mv` moves one back. A run that a process is
    writing is refused.

    Example: logflume runs archive logs/20261123-141502-a1b2
    """
    for folder in [check_removable(find_run(name)) for name in runs]:
        echo(f"moved {folder} to {archive_run(folder)}")


def _named(listed: Sequence[dict[str, Any]], names: Sequence[str]) -> list[str]:
    """Return those of the names that are hyperparameters, and not columns of the list."""
    columns = {column.heading for column in RUN_COLUMNS}.union(*listed)
    known = {name for run in listed for name in run["hyperparameters"]} - columns
    return [name for name in dict.fromkeys(names) if name in known][:MAX_HYPERPARAMETERS]


def _distinguishing(listed: Sequence[dict[str, Any]], own: Collection[str]) -> list[str]:
    """Return the hyperparameters that differ between runs that have them, the user's own first."""
    values: dict[str, list[Any]] = {}
    for run in listed:
        for name, value in run["hyperparameters"].items():
            if value not in UNSET and value not in (seen := values.setdefault(name, [])):
                seen.append(value)
    names = [name for name, seen in values.items() if len(seen) > 1 and not is_incidental(name)]
    main = main_hyperparameters(dict.fromkeys(names, True))
    first = [*(name for name in names if name in own), *main, *names]
    return list(dict.fromkeys(first))[:MAX_HYPERPARAMETERS]


def _describe(run: Run) -> tuple[dict[str, Any], Collection[str]]:
    """Return a run as the list has it, and the names of the hyperparameters its user stated."""
    status, writers = find_status(run.folder)
    row, error = read_overview(run.folder, status, writers)
    if error is not None:
        echo(error if str(run.folder) in error else f"{run.folder}: {error}", err=True)
    size = {"size_bytes": size_bytes(run.folder)}
    described = {"run": status.run, "folder": str(run.folder), **row, **size}
    return described, status.description.hyperparameters.keys()


def _as_row(run: dict[str, Any], name: str, hyperparameters: Sequence[str]) -> dict[str, Any]:
    """Return a row of the list. `name` is a name that other commands accept."""
    named = {**run, "run": name}
    return {
        **{column.heading: column.show(named[column.name]) for column in RUN_COLUMNS},
        **{f"{name} ": run["hyperparameters"].get(name) for name in hyperparameters},
    }


def _fitting(rows: list[dict[str, Any]], hyperparameters: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows with the most important columns that fit the terminal."""
    if not rows:
        return rows
    left, fitting = console(UNLIMITED_WIDTH).width, set()
    priorities = {column.heading: column.priority for column in RUN_COLUMNS}
    priorities |= {f"{name} ": HYPERPARAMETER_PRIORITY for name in hyperparameters}
    for name in sorted(priorities, key=lambda name: priorities[name]):
        if name == "tags" and not any(row["tags"] for row in rows):
            continue
        needed = 3 + max(cell_len(cell(value)) for value in (name, *(row[name] for row in rows)))
        if needed <= left or name == "run":
            left -= needed
            fitting.add(name)
    return [{n: value for n, value in row.items() if n in fitting} for row in rows]
