"""`logflume tail`: the last events of a run, and those to come."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
import typer

from logflume.cli.base import RunArgument, find_run
from logflume.exceptions import MissingExtraError
from logflume.reading.follow import Choose, follow
from logflume.text.lines import Painter, format_event
from logflume.values.plain import note_nonfinite

__all__ = ["tail"]


def tail(
    run: RunArgument = "latest",
    last: Annotated[int, typer.Option("--lines", "-n", help="How many to begin with.")] = 10,
    going_on: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, till the run ends.")
    ] = False,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="Only this type; may be repeated.")
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="A condition in SQL.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, an event a line.")] = False,
) -> None:
    """Print the last events of a run; with -f also those that come, live.

    Example: logflume tail latest -f --type reward --where "step > 100"
    """
    show = _as_json if json else _as_line
    for events in follow(find_run(run), _chooser(types, where), last, going_on):
        for event in events:
            typer.echo(show(event))


def _chooser(types: list[str] | None, where: str | None) -> Choose:
    meets = None if where is None else _condition(where)

    def choose(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        of_types = [event for event in events if not types or event["event"] in types]
        return of_types if meets is None else meets(of_types)

    return choose


def _condition(where: str) -> Choose:
    try:
        from logflume.reading.where import Where
    except ModuleNotFoundError as error:
        raise MissingExtraError("duckdb", "analysis") from error
    return Where(where)


def _as_json(event: dict[str, Any]) -> str:
    """Return the event as the journal has it."""
    nonfinite: dict[str, str] = {}
    for name, value in event.items():
        note_nonfinite(nonfinite, name, value)
    return orjson.dumps({**event, "nonfinite": nonfinite} if nonfinite else event).decode()


def _as_line(event: dict[str, Any]) -> str:
    # typer.echo takes the colours away where there is no terminal.
    return format_event(event, Painter(colours=True))
