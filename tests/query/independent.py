"""An independent reader of journals that uses only the standard library."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Event = dict[str, Any]


def journaled(folder: Path, event_type: str | None = None) -> list[Event]:
    """Return the events of all uncompressed journals, with NaN and infinities restored.

    Without what follows the last line break: a live run may be writing it.
    """
    events = []
    for path in sorted(folder.glob("events*.jsonl")):
        for line in path.read_bytes().split(b"\n")[:-1]:
            event = json.loads(line)
            for name, value in event.pop("nonfinite", {}).items():
                if name in event:
                    event[name] = float(value)
                else:
                    field, _, index = name.rpartition(".")
                    event[field][int(index)] = float(value)
            events.append(event)
    return [event for event in events if event_type in (None, event["event"])]


def latest(events: Iterable[Event]) -> list[Event]:
    """Return the events of the latest attempt of each step and mode."""
    events = list(events)
    newest: dict[Any, int] = {}
    for event in events:
        key = (event["step"], event.get("mode"))
        newest[key] = max(newest.get(key, 0), event["attempt"])
    return [e for e in events if e["attempt"] == newest[(e["step"], e.get("mode"))]]


def without_nulls(row: Event) -> Event:
    """Return a row of a table as an event of the journal, which omits absent fields."""
    return {name: value for name, value in row.items() if value is not None}


def event_ids(events: Iterable[Event]) -> list[tuple[Any, ...]]:
    """Return the identity of each event within its run."""
    return [(e["attempt"], e["rank"], e.get("process"), e["seq"]) for e in events]
