"""The command line: `logflume …`, or `python -m logflume …`."""

from __future__ import annotations

import runpy
import sys
from typing import Annotated

import orjson
import typer

from logflume.config.load import load_config
from logflume.exceptions import LogflumeError
from logflume.schema import event_schema

__all__ = ["app"]

app = typer.Typer(
    help="Structured events of model training.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="Look at configurations.", no_args_is_help=True)
app.add_typer(config_app, name="config")


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def demo(
    context: typer.Context,
    optimized: Annotated[bool, typer.Option(help="Log less: the optimized script.")] = False,
) -> None:
    """Train a tiny Gemma with GRPO on this machine's CPU, with all sinks on.

    Further options go to the script: try `logflume demo --help`.
    """
    name = "optimized_gemma_training" if optimized else "new_gemma_training"
    sys.argv = [f"logflume demo{' --optimized' if optimized else ''}", *context.args]
    runpy.run_module(f"logflume.demo.{name}", run_name="__main__")


@app.command()
def schema() -> None:
    """Print the JSON Schema that every line of events.jsonl is valid against."""
    typer.echo(orjson.dumps(event_schema(), option=orjson.OPT_INDENT_2).decode())


@config_app.command()
def check(
    source: Annotated[str, typer.Argument(help="A YAML file, or the name of a shipped one.")],
) -> None:
    """Check a configuration, and say what is wrong with it."""
    try:
        config = load_config(source)
    except LogflumeError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{source}: good. Sinks: {', '.join(config.sinks)}.")
