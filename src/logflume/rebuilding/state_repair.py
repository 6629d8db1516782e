"""`run.json` made right, from the journal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from logflume.exceptions import RunError
from logflume.reading.writer import Writer
from logflume.rebuilding.entries import read_entries
from logflume.run import RunInfo
from logflume.state import RunState
from logflume.values.columns import declared_kind
from logflume.values.fit import find_kind

__all__ = ["repair_state"]

_KILLED = "killed"


def repair_state(writer: Writer, run: RunInfo) -> None:
    """Write the state of a run that nobody writes: what is right of it stays.

    Raises:
        RunError: It can't be written.
    """
    found = _collect(writer, run)
    try:
        state = writer.state or found
    except RunError:
        state = found
    if (state.run, max(state.attempt, found.attempt)) != (run.run, state.attempt):
        state = found
    if state.status == "running":
        state.status = found.status if state.attempt == found.attempt else _KILLED
    # The folder may have another name than the run.
    state.save(msgspec.structs.replace(run, run=writer.folder.name))


def _collect(writer: Writer, run: RunInfo) -> RunState:
    """Return the state that the journal tells. Which sinks are whole is for them to tell."""
    state = RunState(run=run.run, attempt=-1, started="", status=_KILLED)
    for event in _events(writer, run):
        if event["attempt"] > state.attempt:
            state.attempt, state.started = event["attempt"], event["timestamp"]
            state.status = _KILLED
        if event["event"] == "run_finished" and event["attempt"] == state.attempt:
            state.status = event.get("status") or _KILLED
        kinds = state.kinds.setdefault(event["event"], {})
        for name, value in event.items():
            if name in kinds or declared_kind(event["event"], name) is not None:
                continue
            kind = find_kind(value) if name not in ("nonfinite", "process") else None
            if kind is not None:
                kinds[name] = kind
    return state


def _events(writer: Writer, run: RunInfo) -> Iterator[dict[str, Any]]:
    return (e.event for e in read_entries(writer, run) if e.event is not None)
