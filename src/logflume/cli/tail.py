"""`logflume tail`: prints the last events of a run, and follows it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from logflume.cli.base import RunArgument, find_run, parse_where, print_once
from logflume.cli.printing import echo
from logflume.exceptions import QueryError

__all__ = ["tail"]

_TEXT_WIDTH = 1_000


def tail(
    run: RunArgument = "latest",
    last: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="How many of the last events to print.")
    ] = 10,
    is_following: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new events until the run ends.")
    ] = False,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="Only events of this type; may be repeated.")
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(help="Only events that match this condition in SQL.", show_default=False),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, one event per line.")] = False,
) -> None:
    """Print the last events of a run, and with -f new ones as they are written.

    Example: logflume tail latest -f --type reward --where "step > 100"
    """
    from logflume.query.follow import follow

    format_line = _as_json if json else _as_line
    select = _EventFilter(types, where)
    batches = follow(find_run(run), select, last, is_following, print_once())
    for number, events in enumerate(batches):
        for event in events:
            typer.echo(format_line(event))
        if is_following and number == 0:
            select.warn_of_types()
    if not is_following:
        select.check_matches()


class _EventFilter:
    """Selects events by their type and a condition.

    Args:
        types: The event types; None: all.
        where: The condition, in SQL; None: all events match.
    """

    def __init__(self, types: list[str] | None, where: str | None) -> None:
        self._types = types
        self._where = None if where is None else parse_where(where)
        self._type_matches = 0
        self._seen_types: set[str] = set()

    def __call__(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the events that match."""
        self._seen_types.update(event["event"] for event in events)
        of_types = [e for e in events if not self._types or e["event"] in self._types]
        self._type_matches += len(of_types)
        return of_types if self._where is None else self._where(of_types)

    def check_matches(self) -> None:
        """Raise an error if the types or the fields of the condition are probably misspelled.

        Raises:
            QueryError: No event had one of the types, or none had the fields of the condition.
        """
        if self._types and not self._type_matches:
            raise QueryError(f"no event here is of type {self._explain_types()}")
        if self._where is not None:
            self._where.check_applied()

    def warn_of_types(self) -> None:
        """Print a line if there is no event of the types yet, because they may be misspelled."""
        if self._types and not self._type_matches:
            echo(f"no event is of type {self._explain_types()}; waiting for one", err=True)

    def _explain_types(self) -> str:
        """Return the types that were requested, and the nearest existing ones."""
        from logflume.config.errors import nearest

        requested = self._types or []
        hints = [hint for name in requested if (hint := nearest(name, self._seen_types))]
        names = ", ".join(sorted(self._seen_types))
        rest = f"did you mean {' or '.join(map(repr, hints))}?" if hints else f"types here: {names}"
        return f"{' or '.join(map(repr, requested))}; {rest}"


def _as_json(event: dict[str, Any]) -> str:
    """Return the event as JSON, as it is in the journal."""
    import orjson

    from logflume.terminal.escape import escape_json
    from logflume.values.plain import note_nonfinite

    nonfinite: dict[str, str] = {}
    for name, value in event.items():
        note_nonfinite(nonfinite, name, value)
    encoded = orjson.dumps({**event, "nonfinite": nonfinite} if nonfinite else event)
    return escape_json(encoded.decode())


def _as_line(event: dict[str, Any]) -> str:
    from logflume.terminal.lines import Painter, format_event

    # typer.echo removes the colours if the output is not a terminal.
    message = event.get("message")
    if isinstance(message, str) and len(message) > _TEXT_WIDTH:
        event = {**event, "message": f"{message[:_TEXT_WIDTH]}…"}
    return format_event(event, Painter(colours=True))
