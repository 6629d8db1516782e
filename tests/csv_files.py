"""Helpers that write CSV files with the sink and read them with the csv module."""

from __future__ import annotations

import csv
from contextlib import closing
from pathlib import Path
from typing import Any

from logflume.sinks.csv import CsvSink
from tests.event_helpers import finished_event


def make_event(**fields: Any) -> dict[str, Any]:
    """Return a `model_output` event with the given fields."""
    return finished_event("model_output", **{"logger": "model", **fields})


def write(path: Path, *events: dict[str, Any], **options: Any) -> None:
    """Write events with a CSV sink and close it."""
    with closing(CsvSink(path, **options)) as sink:
        sink.write(events)


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, each by column name."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
