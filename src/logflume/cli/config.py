"""`logflume config`: checks configurations."""

from __future__ import annotations

from typing import Annotated

import typer

from logflume.cli.printing import echo
from logflume.config.load import load_config
from logflume.config.paths import PathCheck

__all__ = ["app"]

app = typer.Typer(help="Check configurations.", no_args_is_help=True)


@app.callback()
def config() -> None:
    """Check configurations."""


@app.command()
def check(
    source: Annotated[
        str, typer.Argument(help="A YAML file, or the name of a shipped configuration.")
    ],
) -> None:
    """Check a configuration and report any error."""
    config = load_config(source, paths=PathCheck.WRITABLE)
    echo(f"{source}: valid. Sinks: {', '.join(config.sinks)}.")
