"""What all commands share: the application, and how a user's error is shown."""

from __future__ import annotations

import sys

import typer

from logflume.exceptions import LogflumeError

__all__ = ["app", "main"]

app = typer.Typer(
    help="Structured events of model training.",
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
