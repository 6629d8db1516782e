"""Helpers for the import tests: import a source and return its events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import logflume
from logflume.importing import Imported, import_run
from tests.event_helpers import RESERVED

SAMPLES = Path(__file__).parent / "samples"
"""Files modelled on public ones: GRPO, DPO and SFT runs, and a history and a chart of W&B."""


def imported(source: Path, folder: Path, **options: Any) -> tuple[Imported, list[dict[str, Any]]]:
    """Import a source into a folder; return the result and all events of the run."""
    result = import_run(source, dir=folder, **options)
    return result, list(logflume.open_run(result.folder))


def of_type(events: list[dict[str, Any]], event_type: str) -> list[dict[str, Any]]:
    """Return the events of one type."""
    return [event for event in events if event["event"] == event_type]


def fields(event: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an event, without the reserved names and nulls."""
    return {k: v for k, v in event.items() if k not in RESERVED and v is not None}
