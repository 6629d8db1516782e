"""`logflume tail`: the last events of a run, and those to come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from logflume.cli.base import RunArgument, find_run
from logflume.exceptions import MissingExtraError, QueryError
from logflume.query.follow import follow
from logflume.terminal.lines import Painter, format_event
from logflume.values.plain import note_nonfinite

if TYPE_CHECKING:
    from logflume.query.sql_filter import SqlFilter

__all__ = ["tail"]

_TEXT_WIDTH = 1_000


def tail(
    run: RunArgument = "latest",
    last: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many to begin with.")] = 10,
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
    choose = _Chooser(types, where)
    for events in follow(find_run(run), choose, last, going_on):
        for event in events:
            typer.echo(show(event))
    if not going_on:
        choose.report_losses()


class _Chooser:
    """Chooses events by their type and a condition.

    Args:
        types: The types; none: all.
        where: The condition, in SQL.
    """

    def __init__(self, types: list[str] | None, where: str | None) -> None:
        self._types = types
        self._where = None if where is None else _condition(where)
        self._of_types = 0

    def __call__(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the events that are wanted."""
        of_types = [e for e in events if not self._types or e["event"] in self._types]
        self._of_types += len(of_types)
        return of_types if self._where is None else self._where(of_types)

    def report_losses(self) -> None:
        """Say what can't have been meant, at the end.

        Raises:
            QueryError: There was no event of the types, or none with the fields of the condition.
        """
        if self._types and not self._of_types:
            raise QueryError(f"no event here is of type {' or '.join(map(repr, self._types))}")
        if self._where is not None:
            self._where.report_losses()


def _condition(where: str) -> SqlFilter:
    try:
        from logflume.query.sql_filter import SqlFilter
    except ModuleNotFoundError as error:
        raise MissingExtraError("duckdb", "analysis") from error
    return SqlFilter(where)


def _as_json(event: dict[str, Any]) -> str:
    """Return the event as the journal has it."""
    nonfinite: dict[str, str] = {}
    for name, value in event.items():
        note_nonfinite(nonfinite, name, value)
    return orjson.dumps({**event, "nonfinite": nonfinite} if nonfinite else event).decode()


def _as_line(event: dict[str, Any]) -> str:
    # typer.echo takes the colours away where there is no terminal.
    message = event.get("message")
    if isinstance(message, str) and len(message) > _TEXT_WIDTH:
        event = {**event, "message": f"{message[:_TEXT_WIDTH]}…"}
    return format_event(event, Painter(colours=True))
