"""`logflume config`: checks configurations."""

from __future__ import annotations

from typing import Annotated

import typer

from logflume.cli.base import Command, CommandGroup, import_from_here
from logflume.cli.printing import echo

__all__ = ["app"]

app = typer.Typer(cls=CommandGroup, help="Check configurations.", no_args_is_help=True)


@app.callback()
def config() -> None:
    """Check configurations."""


@app.command(cls=Command)
def check(
    source: Annotated[
        str, typer.Argument(help="A YAML file, or the name of a shipped configuration.")
    ],
    imports: Annotated[
        bool,
        typer.Option("--import", help="Also import and check the modules that it names."),
    ] = False,
) -> None:
    """Check a configuration and report all errors.

    A configuration can run code, because `package.module:Name` imports the module. Without
    --import, no such module is imported, and these components are not checked.
    """
    from logflume.config.load import load_config
    from logflume.config.paths import PathCheck

    if imports:
        import_from_here()
    left_out: list[str] = []
    config = load_config(
        source, paths=PathCheck.WRITABLE, left_out=None if imports else left_out.append
    )
    sinks = f" Sinks: {', '.join(config.sinks)}." if config.sinks else ""
    echo(f"{source}: valid.{sinks}")
    if left_out:
        names = ", ".join(left_out)
        echo(
            f"Not checked, because checking them requires --import, which runs their code: {names}."
        )
