"""What all commands share: the application, finding a run, and how a user's error is shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from logflume.exceptions import LogflumeError, RunError
from logflume.reading.answers import Attempts
from logflume.reading.run import Run, Runs, is_run, open_run, open_runs

__all__ = [
    "AllAttempts",
    "JsonOption",
    "RunArgument",
    "app",
    "find_run",
    "main",
    "open_any",
    "runs_folder",
]

app = typer.Typer(
    help="Structured events of model training: train, look, ask.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line. An error of ours is its text on standard error, and status 1."""
    try:
        app()
    except LogflumeError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)
    except BrokenPipeError:
        # Whoever reads has seen enough, `head` say. Nothing more may be flushed to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def runs_folder() -> Path:
    """Return where runs are: `LOGFLUME_DIR`, else `logs`."""
    return Path(os.environ.get("LOGFLUME_DIR", "logs"))


def find_run(text: str) -> Path:
    """Return the folder of a run.

    Args:
        text: A folder, or the id of a run (or `latest`) where runs are.

    Raises:
        RunError: There is no such run; the text names those that there are.
    """
    for folder in (Path(text), runs_folder() / text):
        if is_run(folder):
            return folder
    known = _known_runs()
    there = f"There are: {', '.join(known[-5:])}." if known else "Try `logflume demo`."
    raise RunError(
        f"{text}: there is no run here, nor in {runs_folder()}/. {there} "
        "Give a run's folder, its id, or 'latest'."
    )


def open_any(text: str, all_attempts: bool) -> Run | Runs:
    """Open a run, or all runs of a pattern.

    Raises:
        RunError: There is no run.
    """
    attempts: Attempts = "all" if all_attempts else "current"
    if set(text) & set("*?["):
        return open_runs(text, attempts=attempts)
    return open_run(find_run(text), attempts=attempts)


def _known_runs() -> list[str]:
    folder = runs_folder()
    return sorted(path.name for path in folder.iterdir() if is_run(path)) if folder.is_dir() else []


def _complete_run(incomplete: str) -> Iterable[str]:
    return [name for name in _known_runs() if name.startswith(incomplete)]


RunArgument: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run: its folder, its id, or 'latest'.",
        autocompletion=_complete_run,
        show_default=False,
    ),
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
AllAttempts: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--all-attempts",
        help="Of a run that was continued everything, not the latest of each step.",
    ),
]
