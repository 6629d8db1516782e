"""Helpers for events that tests capture or read from a journal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from logflume.protocols import Event

RESERVED = (
    "timestamp",
    "level",
    "logger",
    "event",
    "run",
    "attempt",
    "rank",
    "seq",
    "step",
    "mode",
)
"""The reserved names of events of a process that is no forked child, in the documented order."""

JOURNAL: dict[str, Any] = {
    "root": {"level": "INFO", "sinks": ["jsonl"]},
    "sinks": {"jsonl": {"path": "{dir}/{run}/events.jsonl"}},
}
"""A configuration with the journal as the only sink."""


def finished_event(event_type: str = "probe", /, **fields: Any) -> dict[str, Any]:
    """Return a finished event of the run `r` with these fields, of which some may be reserved."""
    return {
        "timestamp": "2026-11-23T06:00:00.123456Z",
        "level": "info",
        "logger": "training",
        "event": event_type,
        "run": "r",
        "attempt": 0,
        "rank": 0,
        "seq": 17,
        "step": 3,
        **fields,
    }


def own(events: Sequence[Event]) -> list[Event]:
    """Return the test's own events, without those that the pipeline logs about itself."""
    return [e for e in events if e["event"] not in ("run_started", "run_finished", "pipeline")]


def fields(event: Event) -> dict[str, Any]:
    """Return the fields of an event, `mode` included, without the other reserved names."""
    return {k: v for k, v in event.items() if k == "mode" or k not in RESERVED}


def of_type(events: Sequence[Any], event_type: str) -> list[Any]:
    """Return the events of one type."""
    return [event for event in events if event["event"] == event_type]


def only(events: Sequence[Event]) -> Event:
    """Return the single event that the test logged."""
    (event,) = own(events)
    return event


def read(path: Path) -> list[dict[str, Any]]:
    """Return all events of a journal."""
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


def identities(events: list[dict[str, Any]]) -> Counter[tuple[Any, ...]]:
    """Count the events with the same identity; within a run each identity is unique."""
    return Counter((e["attempt"], e["rank"], e.get("process"), e["seq"]) for e in events)
