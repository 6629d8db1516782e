"""A memory-mapped file for the progress of a process; it survives `kill -9` and disk faults.

The memory is shared with the file: whatever was stored is there however the process ends, and
storing makes no call that could fail, block or be delayed.
"""

from __future__ import annotations

import mmap
import struct
import threading
import time
from pathlib import Path
from typing import NamedTuple

__all__ = ["HEARTBEAT_S", "Progress", "ProgressWriter", "read_progress"]

MAX_EVENTS = 200_000
HEARTBEAT_S = 0.01

# attempt, count, last heartbeat, longest delay, longest call, marker
_HEADER = struct.Struct("<qqdddq")
_TIME = struct.Struct("<d")


class Progress(NamedTuple):
    """The progress that a process noted.

    Attributes:
        attempt: Its attempt; -1 if it ended before it knew.
        times_s: When each of its log calls returned (`time.monotonic`), event by event.
        heartbeat_s: When its heartbeat, a thread that does nothing else, last ran.
        max_delay_s: The longest time by which the heartbeat was late. Any other thread of the
            process may have waited as long for the CPU.
        longest_call_s: The duration of its longest log call.
        marker: A number that the program sets.
    """

    attempt: int
    times_s: tuple[float, ...]
    heartbeat_s: float
    max_delay_s: float
    longest_call_s: float
    marker: int


class ProgressWriter:
    """Writes the progress of this process.

    Args:
        path: The file, which is created.
    """

    def __init__(self, path: Path) -> None:
        with path.open("wb+") as file:
            file.truncate(_HEADER.size + MAX_EVENTS * _TIME.size)
            self._memory = mmap.mmap(file.fileno(), 0)
        self.attempt = -1
        self.marker = 0
        self._count = 0
        self._heartbeat_s = time.monotonic()
        self._max_delay_s = 0.0
        self._longest_call_s = 0.0
        self._store()

    def start(self, attempt: int) -> None:
        """Note the attempt and start the heartbeat."""
        self.attempt = attempt
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
        self._store()

    def set_marker(self, marker: int) -> None:
        """Note a number."""
        self.marker = marker
        self._store()

    def add_event(self, called_s: float) -> None:
        """Note that the next event was logged, by a call made at `called_s`."""
        now_s = time.monotonic()
        _TIME.pack_into(self._memory, _HEADER.size + self._count * _TIME.size, now_s)
        self._count += 1
        self._longest_call_s = max(self._longest_call_s, now_s - called_s)
        self._store()

    def _beat(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(HEARTBEAT_S)
            now_s = time.monotonic()
            self._max_delay_s = max(self._max_delay_s, now_s - self._heartbeat_s - HEARTBEAT_S)
            self._heartbeat_s = now_s
            self._store()

    def _store(self) -> None:
        _HEADER.pack_into(
            self._memory,
            0,
            self.attempt,
            self._count,
            self._heartbeat_s,
            self._max_delay_s,
            self._longest_call_s,
            self.marker,
        )


def read_progress(path: Path) -> Progress:
    """Return the progress of a process that has ended."""
    if not path.exists():
        return Progress(-1, (), 0.0, 0.0, 0.0, 0)
    content = path.read_bytes()
    if len(content) < _HEADER.size:
        return Progress(-1, (), 0.0, 0.0, 0.0, 0)
    attempt, count, heartbeat_s, max_delay_s, longest_s, marker = _HEADER.unpack_from(content)
    times = struct.unpack_from(f"<{count}d", content, _HEADER.size)
    return Progress(attempt, times, heartbeat_s, max_delay_s, longest_s, marker)
