"""What the child tells the training, in as few messages as it can."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from logflume.guard import call_guarded
from logflume.pipeline.buffer import Wakeup
from logflume.values.kinds import Kind
from logflume.worker_process.wire import PARCELS, Connection, Filled, Notification

__all__ = ["Notifier"]

LOOK = 0.9
"""The share of `flush_interval_s` that an event waits to be asked for: the rest is for writing."""

DELAY_S = 0.2
"""The longest that news that nobody waits for is held back, in seconds."""

ROUND_S = 2.0
"""How often the training is asked whatever its buffer says: its torch memory changes, too."""


class Notifier:
    """A thread that sends news, and has the training look into its buffer once there is something.

    Each message costs the training a switch of threads, at a moment that it did not choose, and the
    more the longer it is. So most messages are empty ones, and news waits for company.

    Args:
        link: The pipes.
        filled: Tells whether the training's buffer holds something new.
        flush_interval_s: The longest that an event waits for its turn, in seconds.
    """

    def __init__(self, link: Connection, filled: Filled, flush_interval_s: float) -> None:
        self._link = link
        self._filled = filled
        self._interval_s = flush_interval_s * LOOK
        self._news = Notification()
        self._lock = threading.Lock()
        self._bell = Wakeup()
        self._is_urgent = False
        self._has_ended = False
        self._told_at_s = time.monotonic()
        self._waits_since_s = 0.0
        self._thread = threading.Thread(target=self._run, name="logflume-speaker", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def tell_built(self, refused: Exception | None = None) -> None:
        """Tell that the pipeline is built, or why it can't be."""
        with self._writing(urgent=True) as news:
            news.is_built = refused is None
            news.refused = refused

    def note_written(self) -> None:
        """Tell that one more parcel is written, before there is no room for others."""
        with self._writing(urgent=self._news.written + 1 >= PARCELS // 2) as news:
            news.written += 1

    def note_kinds(self, kinds: dict[str, dict[str, Kind]]) -> None:
        """Tell of new kinds."""
        with self._writing() as news:
            news.kinds = kinds

    def show(self, text: str) -> None:
        """Have a text printed."""
        with self._writing() as news:
            news.text += text

    def answer(self, number: int, value: Any) -> None:
        """Answer a request, once all that was said before has been heard."""
        with self._writing(urgent=True) as news:
            news.answers[number] = value

    def stop(self) -> None:
        """Send what is left, and end."""
        self._has_ended = True
        self._bell.set()
        self._thread.join()

    @contextmanager
    def _writing(self, *, urgent: bool = False) -> Iterator[Notification]:
        with self._lock:
            if self._news == Notification():
                self._waits_since_s = time.monotonic()
            yield self._news
            self._is_urgent |= urgent
        if urgent:
            self._bell.set()

    def _run(self) -> None:
        while not self._has_ended:
            self._bell.wait(self._interval_s)
            is_filled = self._filled.take()
            if self._is_due(DELAY_S / 2 if is_filled else DELAY_S):
                self._tell()
            elif is_filled:
                call_guarded(self._link.send_bytes, b"")
        self._tell()

    def _is_due(self, delay_s: float) -> bool:
        now_s = time.monotonic()
        is_late = self._news != Notification() and now_s - self._waits_since_s >= delay_s
        return self._is_urgent or is_late or now_s - self._told_at_s >= ROUND_S

    def _tell(self) -> None:
        with self._lock:
            news, self._news = self._news, Notification()
            self._is_urgent = False
        self._told_at_s = time.monotonic()
        # A training that has ended needs no news.
        call_guarded(self._link.send, news)
