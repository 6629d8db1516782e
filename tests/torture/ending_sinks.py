"""A journal that can be held up, for ends of a run that find it hanging or slow."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from logflume.protocols import Event
from logflume.sinks.jsonl import JsonlSink

__all__ = ["GatedJournal", "GatedSink"]

MAX_HELD_S = 120.0
"""After so long a gate that nobody opened lets everything pass."""


class GatedJournal(JsonlSink):
    """A journal that blocks in `write` while the file `gate` exists, as on a disk that hangs.

    Args:
        path: The file, as for the journal.
        gate: The file whose existence blocks.
        pause_s: How long every batch takes in addition, in seconds.
        rotate_bytes: As for the journal.
    """

    def __init__(
        self, path: Path, *, gate: str, pause_s: float = 0.0, rotate_bytes: int = 2**30
    ) -> None:
        super().__init__(path, rotate_bytes=rotate_bytes)
        self._gate = Path(gate)
        self._pause_s = pause_s

    def write(self, events: Sequence[Event]) -> None:
        """Append the events once the gate is open."""
        if self._pause_s:
            threading.Event().wait(self._pause_s)
        _pass(self._gate)
        super().write(events)


class GatedSink:
    """A sink that can't be built while the file `gate` exists, and discards events.

    Args:
        gate: The file whose existence blocks.
    """

    detachable = True

    def __init__(self, gate: str) -> None:
        _pass(Path(gate))

    def write(self, events: Sequence[Event]) -> None:
        """Discard the events."""

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def _pass(gate: Path) -> None:
    """Wait until the gate is open."""
    pause = threading.Event()
    until_s = time.monotonic() + MAX_HELD_S
    while gate.exists() and time.monotonic() < until_s:
        pause.wait(0.002)
