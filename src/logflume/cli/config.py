"""`logflume config check`: what is wrong with a configuration."""

from __future__ import annotations

from typing import Annotated

import typer

from logflume.config.load import load_config

__all__ = ["app"]

app = typer.Typer(help="Look at configurations.", no_args_is_help=True)


@app.callback()
def config() -> None:
    """Look at configurations."""


@app.command()
def check(
    source: Annotated[str, typer.Argument(help="A YAML file, or the name of a shipped one.")],
) -> None:
    """Check a configuration, and say what is wrong with it."""
    config = load_config(source)
    typer.echo(f"{source}: good. Sinks: {', '.join(config.sinks)}.")
