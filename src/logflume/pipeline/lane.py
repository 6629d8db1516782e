"""A sink as the pipeline drives it: its outlet, and the thread it may have of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from math import inf

from logflume.pipeline.backlog import Backlog
from logflume.pipeline.outlet import Outlet
from logflume.protocols import BackgroundSink, Event, Sink

__all__ = ["Lane"]

ASKED_CATCH_UP_S = 2.0
"""How long the worker catches up, for one sink, when it is asked to flush."""


class Lane:
    """Drives one sink from the worker.

    Args:
        outlet: The guarded sink; its totals are the lane's.
        front: What to write to: the outlet, or the outlet wrapped in a thread.
    """

    def __init__(self, outlet: Outlet, front: Sink) -> None:
        self.name = outlet.name
        self.totals = outlet.totals
        self._outlet = outlet
        self._front = front
        self._background = front if isinstance(front, BackgroundSink) else None
        self._flushed_at_s = time.monotonic()

    def write(self, events: Sequence[Event]) -> None:
        """Write a batch."""
        self._front.write(events)

    @property
    def due_at_s(self) -> float:
        """When `tick` has something to do, by `time.monotonic`; 0 while the sink fails."""
        if self._background is not None:
            return inf
        is_well = self._outlet.fault is None
        return self._flushed_at_s + self._outlet.flush_interval_s if is_well else 0.0

    def tick(self) -> None:
        """Retry and flush when it is time to. A sink with a thread of its own does so there."""
        if self._background is not None:
            return
        self._outlet.retry()
        if time.monotonic() - self._flushed_at_s >= self._outlet.flush_interval_s:
            self._flush()

    def flush(self) -> None:
        """Flush a sink of the worker's own thread; one with a thread is left to `drain`."""
        if self._background is not None:
            return
        until_s = time.monotonic() + ASKED_CATCH_UP_S
        self._flush()
        while self._outlet.is_catching_up and time.monotonic() < until_s:
            self._flush()

    def drain(self, timeout_s: float) -> bool:
        """Wait until all written so far can be read; False if that failed or took too long."""
        if self._background is None:
            return self._outlet.is_up_to_date
        until_s = time.monotonic() + timeout_s
        done = self._background.drain(timeout_s)
        while done and self._outlet.is_catching_up and time.monotonic() < until_s:
            done = self._background.drain(max(0.0, until_s - time.monotonic()))
        return done and self._outlet.is_up_to_date

    def catch_up(self, backlog: Backlog, first_attempt: int) -> None:
        """Let the sink catch up from the journal, now and whenever it has missed something.

        Args:
            backlog: What it gets from there.
            first_attempt: The first attempt of which it may lack something.
        """
        backlog.look_back(first_attempt)
        self._outlet.backlog = backlog

    @property
    def is_whole(self) -> bool:
        """Whether the sink has all that the journal has for it, up to now."""
        return self._outlet.is_up_to_date and self.totals.is_whole

    def has_all(self, events: int) -> bool:
        """Whether the sink has every event of this attempt, whatever their type."""
        return self.is_whole and self.totals.is_all(events)

    def _flush(self) -> None:
        self._outlet.flush()
        self._flushed_at_s = time.monotonic()

    @property
    def fault(self) -> str | None:
        """What is wrong with the sink at the moment; None if nothing is."""
        return self._outlet.fault

    def close(self) -> None:
        """Close the sink and its thread."""
        self._front.close()
