"""How a run stands, told without a look at its events."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from logflume.reading.writer import find_writers

__all__ = ["Overview", "look_over"]


class Overview(NamedTuple):
    """What `run.json` and the lock tell of a run.

    Attributes:
        run: Run id; the folder's name where nothing tells.
        status: `running`; how it ended: `finished`, `failed`, `interrupted`, `terminated`; `killed`
            when it ended without a word; `unknown` without `run.json`.
        attempt: The latest attempt.
        started: When that began, UTC.
    """

    run: str
    status: str
    attempt: int = 0
    started: datetime | None = None


def look_over(folder: Path) -> Overview:
    """Return how the run in a folder stands."""
    writers = find_writers(folder)
    state = next((writer.state for writer in writers if writer.state is not None), None)
    if state is None:
        return Overview(folder.resolve().name, "unknown")
    status = state.status
    if status == "running" and not any(writer.is_live for writer in writers):
        status = "killed"
    return Overview(state.run, status, state.attempt, datetime.fromisoformat(state.started))
