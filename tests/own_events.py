"""What tests look at in the events that they captured, or read from a journal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from logflume.protocols import Event

JOURNAL: dict[str, Any] = {
    "root": {"level": "INFO", "sinks": ["jsonl"]},
    "sinks": {"jsonl": {"path": "{dir}/{run}/events.jsonl"}},
}
"""A configuration with the journal and nothing else."""


def own(events: Sequence[Event]) -> list[Event]:
    """Leave out what the pipeline says about itself."""
    return [e for e in events if e["event"] not in ("run_started", "run_finished", "pipeline")]


def fields(event: Event) -> dict[str, Any]:
    """Leave out the reserved names."""
    reserved = {"timestamp", "level", "logger", "event", "run", "attempt", "rank", "seq", "step"}
    return {name: value for name, value in event.items() if name not in reserved}


def only(events: Sequence[Event]) -> Event:
    (event,) = own(events)
    return event


def read(path: Path) -> list[dict[str, Any]]:
    """Read a journal, all of its lines."""
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


def identities(events: list[dict[str, Any]]) -> Counter[tuple[Any, ...]]:
    """Count what tells an event from all others of its run."""
    return Counter((e["attempt"], e["rank"], e.get("process"), e["seq"]) for e in events)
