"""What a process tells of the events that it logged, in a way that no kill and no fault can touch.

It is memory shared with a file: what was stored is there whatever becomes of the process, and
storing calls nothing that could fail, block or be delayed.
"""

from __future__ import annotations

import mmap
import struct
import threading
import time
from pathlib import Path
from typing import NamedTuple

__all__ = ["Life", "Teller", "read_told"]

MOST_EVENTS = 200_000
BEAT_S = 0.01

_HEADER = struct.Struct("<qqdddq")  # attempt, count, last beat, latest beat, longest call, mark
_TIME = struct.Struct("<d")


class Life(NamedTuple):
    """What one process told.

    Attributes:
        attempt: Its attempt; -1 if it did not come so far.
        times_s: When each call of its log returned (`time.monotonic`), event by event.
        beat_s: When its heart, a thread that does nothing, last beat.
        lateness_s: How much later than due that thread was at worst: what every thread of the
            process may have had to wait for the processor, too.
        longest_call_s: Its longest log call.
        mark: A number of its own choosing.
    """

    attempt: int
    times_s: tuple[float, ...]
    beat_s: float
    lateness_s: float
    longest_call_s: float
    mark: int


class Teller:
    """The telling side.

    Args:
        path: The file, made by this.
    """

    def __init__(self, path: Path) -> None:
        with path.open("wb+") as file:
            file.truncate(_HEADER.size + MOST_EVENTS * _TIME.size)
            self._memory = mmap.mmap(file.fileno(), 0)
        self.attempt = -1
        self.mark = 0
        self._count = 0
        self._beat_s = time.monotonic()
        self._lateness_s = 0.0
        self._longest_call_s = 0.0
        self._store()

    def begin(self, attempt: int) -> None:
        """Tell the attempt, and let the heart beat."""
        self.attempt = attempt
        threading.Thread(target=self._beat, name="heart", daemon=True).start()
        self._store()

    def set_mark(self, mark: int) -> None:
        """Tell a number."""
        self.mark = mark
        self._store()

    def tell(self, called_s: float) -> None:
        """Tell that the next event was logged, by a call made at `called_s`."""
        now_s = time.monotonic()
        _TIME.pack_into(self._memory, _HEADER.size + self._count * _TIME.size, now_s)
        self._count += 1
        self._longest_call_s = max(self._longest_call_s, now_s - called_s)
        self._store()

    def _beat(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(BEAT_S)
            now_s = time.monotonic()
            self._lateness_s = max(self._lateness_s, now_s - self._beat_s - BEAT_S)
            self._beat_s = now_s
            self._store()

    def _store(self) -> None:
        _HEADER.pack_into(
            self._memory,
            0,
            self.attempt,
            self._count,
            self._beat_s,
            self._lateness_s,
            self._longest_call_s,
            self.mark,
        )


def read_told(path: Path) -> Life:
    """Read what a process, by now dead, has told."""
    if not path.exists():
        return Life(-1, (), 0.0, 0.0, 0.0, 0)
    content = path.read_bytes()
    if len(content) < _HEADER.size:
        return Life(-1, (), 0.0, 0.0, 0.0, 0)
    attempt, count, beat_s, lateness_s, longest_s, mark = _HEADER.unpack_from(content)
    times = struct.unpack_from(f"<{count}d", content, _HEADER.size)
    return Life(attempt, times, beat_s, lateness_s, longest_s, mark)
