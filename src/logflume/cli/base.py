"""What all commands share: the application, finding a run, and how a user's error is shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from logflume.exceptions import LogflumeError, RunError
from logflume.query.open_run import Run, Runs, is_run, open_run, open_runs
from logflume.query.questions import Attempts

__all__ = [
    "AllAttempts",
    "FirstRun",
    "JsonOption",
    "RunArgument",
    "RunsArgument",
    "SecondRun",
    "app",
    "find_run",
    "main",
    "open_any",
    "runs_folder",
]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"logflume {version('logflume')}")
        raise typer.Exit


@app.callback()
def logflume(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say which it is."),
    ] = False,
) -> None:
    """Structured events of model training: train, look, ask."""


def main() -> None:
    """Run the command line. An error of ours is its text on standard error, and status 1."""
    try:
        app()
    except LogflumeError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)
    except OSError as error:
        # Whoever reads has seen enough, `head` say, the disk is full, or a file may not be read.
        if error.filename is not None:
            typer.echo(str(error), err=True)
        elif not isinstance(error, BrokenPipeError):
            typer.echo(f"standard output can't be written: {error}", err=True)
        # Nothing more may be flushed to it.
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
    if Path(text).is_dir() and (inside := _known_runs(Path(text))):
        raise RunError(
            f"{text}: this folder holds runs. Give one of them, {Path(text) / inside[-1]} say; "
            f"`logflume sql` and `export` take all of them as '{text}/*'."
        )
    known = _known_runs(runs_folder())
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
    if set(text) & set("*?[") and not is_run(Path(text)):
        return open_runs(text, attempts=attempts)
    return open_run(find_run(text), attempts=attempts)


def _known_runs(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if is_run(path)) if folder.is_dir() else []


def _complete_run(incomplete: str) -> Iterable[str]:
    """Return the runs that begin so: by their ids, or below the folder that was typed."""
    above, slash, start = incomplete.rpartition("/")
    known = _known_runs(Path(above + slash) if slash else runs_folder())
    return [above + slash + name for name in known if name.startswith(start)]


def _run_argument(metavar: str, more: str = "") -> Any:
    return typer.Argument(
        metavar=metavar,
        help=f"A run: its folder, its id, or 'latest'{more}.",
        autocompletion=_complete_run,
    )


RunArgument: TypeAlias = Annotated[str, _run_argument("RUN")]
FirstRun: TypeAlias = Annotated[str, _run_argument("FIRST")]
SecondRun: TypeAlias = Annotated[str, _run_argument("SECOND")]
RunsArgument: TypeAlias = Annotated[str, _run_argument("RUN", "; or many: 'logs/*'")]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
AllAttempts: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--all-attempts",
        help="Of a run that was continued everything, not the latest of each step.",
    ),
]
