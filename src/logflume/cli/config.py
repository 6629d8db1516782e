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
        list[str] | None,
        typer.Option(
            "--import",
            metavar="MODULE:NAME",
            help="Import and check this component of the configuration; may be repeated. Nothing "
            "is imported merely because a configuration names it.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check a configuration and report all errors.

    A configuration can run code, because `package.module:Name` imports the module. Such a
    component is only checked if --import names it.

    Example: logflume config check my.yaml

    Example: logflume config check my.yaml --import my_package.sinks:Own
    """
    from logflume.config.load import load_config
    from logflume.config.paths import PathCheck

    if imports:
        import_from_here()
    left_out: dict[str, None] = {}

    def may_import(name: str) -> bool:
        if name not in (imports or ()):
            left_out[name] = None
        return name not in left_out

    config = load_config(source, paths=PathCheck.WRITABLE, may_import=may_import)
    sinks = f" Sinks: {', '.join(config.sinks)}." if config.sinks else ""
    if not left_out:
        echo(f"{source}: valid.{sinks}")
        return
    options = " ".join(f"--import {name}" for name in left_out)
    echo(
        f"{source}: no errors found, but {', '.join(left_out)} must be imported to be checked, "
        f"which runs code: add {options}.{sinks}"
    )
