"""`logflume schema`: prints the JSON Schema of the journal."""

from __future__ import annotations

import typer

__all__ = ["schema"]


def schema() -> None:
    """Print the JSON Schema that every line of events.jsonl matches."""
    import orjson

    from logflume.values.schema import event_schema

    typer.echo(orjson.dumps(event_schema(), option=orjson.OPT_INDENT_2).decode())
