"""What all commands share: the application, finding runs, common options, and error reporting.

The modules of the commands import slow packages within their functions, because `logflume --help`
imports all of these modules.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer
import typer.core

from logflume.cli.printing import echo
from logflume.exceptions import (
    ArgumentError,
    LogflumeError,
    MissingExtraError,
    QueryError,
    RunError,
)
from logflume.values.arrow_startup import start_arrow

if TYPE_CHECKING:
    from logflume.query.open_run import Run, Runs
    from logflume.query.questions import Attempts
    from logflume.query.sql_filter import SqlFilter

__all__ = [
    "AllAttempts",
    "Command",
    "CommandGroup",
    "ImportOption",
    "JsonOption",
    "Mode",
    "ModeOption",
    "OptionalRunArgument",
    "RunArgument",
    "RunsArgument",
    "StepOption",
    "app",
    "complete_run",
    "find_run",
    "import_from_here",
    "import_sinks",
    "main",
    "open_any",
    "open_one",
    "parse_steps",
    "parse_where",
    "print_no_match",
    "print_once",
    "warnings_as_lines",
]


def _without_flag_types(params: list[Any]) -> list[Any]:
    """Return parameters whose help shows no type for options without a value."""
    for param in params:
        if getattr(param, "is_flag", False) and param.metavar is None:
            param.metavar = ""
    return params


@contextmanager
def _in_own_words() -> Iterator[None]:
    """Raise errors about values of options without the prefix of the library that checks them."""
    try:
        yield
    except typer.BadParameter as error:
        error.message = error.message.replace("Value error, ", "")
        raise


class Command(typer.core.TyperCommand):
    """A command whose help and errors are equally readable with every version of Typer."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments and options."""
        with _in_own_words():
            return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the arguments and options."""
        return _without_flag_types(super().get_params(ctx))


class CommandGroup(typer.core.TyperGroup):
    """A group whose help is equally readable with every version of Typer."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options."""
        return _without_flag_types(super().get_params(ctx))


_OPTIONS = {"search": "--grep"}
"""The options that are not named like the argument of the query."""


app = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_requested: bool) -> None:
    if is_requested:
        from importlib.metadata import version

        typer.echo(f"logflume {version('logflume')}")
        raise typer.Exit


@app.callback()
def logflume(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Structured logging of model training: inspect, query and maintain runs."""


def main() -> None:
    """Run the command line. An error is printed to standard error, with exit status 1."""
    if sys.argv[1:2] != ["demo"]:
        _limit_memory()
    try:
        app()
    except ArgumentError as error:
        echo(f"{_as_option(error.name, error.value)}: {error.problem}", err=True)
        sys.exit(1)
    except LogflumeError as error:
        echo(str(error), err=True)
        sys.exit(1)
    except OSError as error:
        # A reader such as `head` has closed the pipe, the disk is full, or a file can't be read.
        if error.filename is not None:
            echo(str(error), err=True)
        elif not isinstance(error, BrokenPipeError):
            echo(f"standard output can't be written: {error}", err=True)
        # Discard buffered output: flushing it at exit would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except MemoryError:
        echo("this command needs more than three quarters of the machine's memory", err=True)
        sys.exit(1)


def _as_option(name: str, value: object) -> str:
    """Return an argument of a query as it is written in a shell.

    >>> _as_option("min_rate", 1.0), _as_option("between", (100, 400))
    ('--min-rate 1.0', '--between 100:400')
    """
    option = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
    text = ":".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"{option} {text}"


def _limit_memory() -> None:
    """Limit the memory of this process to three quarters of the machine's.

    A run from somebody else may make a command use too much. That ends only this process.
    """
    if sys.platform == "win32":
        return
    import resource

    machine_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit, most = resource.getrlimit(resource.RLIMIT_DATA)
    unlimited = resource.RLIM_INFINITY
    bounds = [bound for bound in (limit, most) if bound != unlimited] + [machine_bytes // 4 * 3]
    with suppress(ValueError, OSError):  # a system without this limit
        resource.setrlimit(resource.RLIMIT_DATA, (min(bounds), most))


def import_from_here() -> None:
    """Add the current folder to the places that imports search, as the user requested."""
    sys.path.insert(0, str(Path.cwd()))


def import_sinks(names: Sequence[str]) -> None:
    """Import sinks that the user names, for runs that were written with them.

    Raises:
        ConfigError: One of them can't be imported, or is not a sink.
    """
    if not names:
        return
    from logflume.config.registry import SINKS, find

    import_from_here()
    for name in names:
        find(SINKS, name, "--import")


def find_run(text: str) -> Path:
    """Return the folder of a run.

    Args:
        text: The run's folder, or its id or `latest`, in the folder that contains the runs.

    Raises:
        RunError: There is no such run. The message names some existing runs.
    """
    from logflume.query.open_run import is_run, list_runs, runs_folder

    for folder in (Path(text), runs_folder() / text):
        if is_run(folder):
            return folder
    if inside := list_runs(Path(text)):
        raise RunError(
            f"{text}: this folder contains runs. Give one of them, such as "
            f"{Path(text) / inside[0]}; `logflume sql` and `export` also accept all of them, as "
            f"'{text}/*'."
        )
    known = list_runs(runs_folder(), text)
    hint = f"Existing runs: {', '.join(known[:5])}." if known else "Try `logflume demo`."
    raise RunError(
        f"{text}: there is no run here, nor in {runs_folder()}/. {hint} "
        "Give a run's folder, its id, or 'latest'."
    )


def open_one(text: str, all_attempts: bool = False) -> Run:
    """Open a run. If it is damaged, use what can be read, and print what is missing.

    Raises:
        RunError: There is no such run.
    """
    from logflume.query.open_run import open_run

    folder = find_run(text)
    start_arrow()
    return open_run(folder, attempts=_view(all_attempts)).salvaged_if_damaged(print_once())


def open_any(text: str, all_attempts: bool = False) -> Run | Runs:
    """Open a run, or all runs that match a pattern, as `open_one` does.

    Raises:
        RunError: There is no run.
    """
    from logflume.query.open_run import is_run, open_runs

    if not set(text) & set("*?[") or is_run(Path(text)):
        return open_one(text, all_attempts)
    start_arrow()
    return open_runs(text, attempts=_view(all_attempts)).salvaged_if_damaged(print_once())


def _view(all_attempts: bool) -> Attempts:
    return "all" if all_attempts else "current"


def print_no_match(run: Run, what: str) -> None:
    """Print that no completion matches, or that the run has none.

    Args:
        run: The run.
        what: What was selected, such as `prompts`.
    """
    has_completions = run.types().get("model_output")
    echo(f"No {what} match." if has_completions else "This run has no completions.", err=True)


def print_once() -> Callable[[str], None]:
    """Return a function that prints a line to standard error, unless it has printed it before."""
    return cache(partial(echo, err=True))


def parse_steps(text: str | None) -> int | tuple[int | None, int | None] | None:
    """Return the steps of the option `--step`: one, or a range.

    Raises:
        QueryError: It is neither.
    """
    if text is None:
        return None
    first, colon, last = text.partition(":")
    try:
        if colon:
            return (int(first) if first else None, int(last) if last else None)
        return int(first)
    except ValueError:
        raise QueryError(
            f"--step {text}: expected a step (400) or a range (100:200, 100:, :200)"
        ) from None


def parse_where(condition: str) -> SqlFilter:
    """Return the filter of the option `--where`.

    Raises:
        QueryError: The condition is not valid SQL.
        MissingExtraError: DuckDB is not installed.
    """
    try:
        from logflume.query.sql_filter import SqlFilter
    except ModuleNotFoundError as error:
        raise MissingExtraError("duckdb", "analysis") from error
    return SqlFilter(condition)


def complete_run(incomplete: str) -> Iterable[str]:
    """Return the matching runs: their ids, or their paths if a folder was typed."""
    from logflume.query.open_run import list_runs, runs_folder

    parent, slash, start = incomplete.rpartition("/")
    known = list_runs(Path(parent + slash) if slash else runs_folder())
    return sorted(parent + slash + name for name in known if name.startswith(start))


def _run_argument(metavar: str, more: str = "") -> Any:
    return typer.Argument(
        metavar=metavar,
        help=f"A run: its folder, its id, or 'latest'{more}.",
        autocompletion=complete_run,
    )


RunArgument: TypeAlias = Annotated[str, _run_argument("RUN")]
OptionalRunArgument: TypeAlias = Annotated[str | None, _run_argument("RUN")]
RunsArgument: TypeAlias = Annotated[str, _run_argument("RUN", "; or a pattern: 'logs/*'")]
ImportOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--import",
        metavar="MODULE:NAME",
        help="Import a custom sink that the run was written with; may be repeated. Nothing is "
        "imported merely because a run names it.",
        show_default=False,
    ),
]
Mode: TypeAlias = Literal["train", "eval"]
ModeOption: TypeAlias = Annotated[
    Mode | None,
    typer.Option(
        "--mode",
        case_sensitive=False,
        help="Only training, or only evaluations.",
        show_default=False,
    ),
]
StepOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--step", help="A step (400), or a range of steps (100:200).", show_default=False),
]
JsonOption: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print JSON, for scripts; see docs/json-output.md.")
]
AllAttempts: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--all-attempts",
        help="Include all attempts of a continued run, not only the latest one of each step.",
    ),
]


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print a warning to the user as a line on standard error, without the place in the code."""
    with warnings.catch_warnings(record=True) as caught:
        yield
    for warning in caught:
        if issubclass(warning.category, UserWarning):
            echo(str(warning.message), err=True)
