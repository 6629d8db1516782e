"""Reading a run back, while it is written and afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from logflume.exceptions import RunError
from logflume.reading.current import current_events
from logflume.reading.journal import Journals
from logflume.state import RunState

if TYPE_CHECKING:
    import pyarrow as pa

Attempts: TypeAlias = Literal["current", "all"]

__all__ = ["Attempts", "Run", "open_run"]


class Run:
    """The events of a run, from its journals: all ranks, rotated files included.

    Args:
        folder: The run's folder.
        attempts: `current` for the latest attempt of each step, `all` for everything.
    """

    def __init__(self, folder: Path, attempts: Attempts = "current") -> None:
        self.folder = folder
        self.attempts = attempts

    @property
    def info(self) -> dict[str, Any]:
        """The `run_started` event of the latest attempt; empty if there is none yet."""
        started = [e for e in self if e["event"] == "run_started" and "schema_version" in e]
        return max(started, key=lambda e: int(e["attempt"]), default={})

    def types(self) -> dict[str, int]:
        """Return how many events of each type there are."""
        counts: dict[str, int] = {}
        for event in self:
            counts[event["event"]] = counts.get(event["event"], 0) + 1
        return counts

    def events(self, event_type: str) -> pa.Table:
        """Return the events of a type as an Arrow table, one column a field.

        NaN and infinities are restored. `.to_pandas()` and `.to_pylist()` lead on from there.
        """
        import pyarrow as pa

        events = [event for event in self if event["event"] == event_type]
        names = dict.fromkeys(name for event in events for name in event)
        return pa.table({name: pa.array([e.get(name) for e in events]) for name in names})

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the events, file by file; a line that is still being written is left out.

        Raises:
            RunError: A line is no JSON: the file was damaged, or changed by hand.
        """
        journals = Journals(self.folder)
        # Going through a journal twice takes twice as long: only where there is a need.
        is_continued = self.attempts == "current" and _is_continued(self.folder)
        return current_events(journals) if is_continued else iter(journals)


def open_run(path: str | os.PathLike[str], *, attempts: Attempts = "current") -> Run:
    """Open a run for reading.

    Args:
        path: The run's folder: `logs/latest`, `logs/20261123-141502-a1b2`.
        attempts: Of a run that was continued: `current` for the latest attempt of each step,
            `all` for everything.

    Raises:
        RunError: There is no journal.
        ValueError: `attempts` is neither of the two.
    """
    if attempts not in get_args(Attempts):
        raise ValueError(f"attempts is 'current' or 'all', not {attempts!r}")
    folder = Path(path)
    if not any(folder.glob("events*.jsonl*")):
        raise RunError(f"{folder}: there is no run here (no events.jsonl)")
    return Run(folder, attempts)


def _is_continued(folder: Path) -> bool:
    """Whether there may be several attempts; a run whose state is missing may have any."""
    states = [RunState.load(path) for path in folder.glob("run*.json")]
    return not states or any(state is None or state.attempt > 0 for state in states)
