"""The status of a run according to its state and file lock, without reading an event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from logflume.runs.description import RunDescription
from logflume.runs.files import Writer, find_writers

__all__ = ["RunStatus", "read_run_status", "status_of"]


class RunStatus(NamedTuple):
    """The status of a run according to `run.json` and the file lock.

    Attributes:
        run: Run id; the folder's name if unknown.
        status: `running`; how it ended: `finished`, `failed`, `interrupted`, `terminated`; `killed`
            if it ended without recording how; `unknown` without `run.json`.
        attempt: The latest attempt.
        started: When it started, UTC.
        description: How the user describes it.
    """

    run: str
    status: str
    attempt: int = 0
    started: datetime | None = None
    description: RunDescription = RunDescription()


def read_run_status(folder: Path) -> RunStatus:
    """Return the status of the run in a folder."""
    return status_of(folder, find_writers(folder))


def status_of(folder: Path, writers: Sequence[Writer]) -> RunStatus:
    """Return the status of the run in a folder, given its writers."""
    state = next((writer.state for writer in writers if writer.state is not None), None)
    if state is None:
        return RunStatus(folder.resolve().name, "unknown")
    status = state.status
    if status == "running" and not any(writer.is_live for writer in writers):
        status = "killed"
    started = datetime.fromisoformat(state.started)
    return RunStatus(state.run, status, state.attempt, started, state.description)
