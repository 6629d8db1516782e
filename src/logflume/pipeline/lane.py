"""A sink as the pipeline drives it: its outlet, and the thread it may have of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence

from logflume.pipeline.outlet import Outlet
from logflume.protocols import BackgroundSink, Event, Sink

__all__ = ["Lane"]


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

    def tick(self) -> None:
        """Retry and flush when it is time to. A sink with a thread of its own does so there."""
        if self._background is not None:
            return
        self._outlet.retry()
        if time.monotonic() - self._flushed_at_s >= self._outlet.flush_interval_s:
            self.flush()

    def flush(self) -> None:
        """Flush a sink of the worker's own thread; one with a thread is left to `drain`."""
        if self._background is None:
            self._outlet.flush()
            self._flushed_at_s = time.monotonic()

    def drain(self, timeout_s: float) -> bool:
        """Wait until all written so far can be read; False if that failed or took too long."""
        if self._background is not None and not self._background.drain(timeout_s):
            return False
        return self._outlet.fault is None

    @property
    def fault(self) -> str | None:
        """What is wrong with the sink at the moment; None if nothing is."""
        return self._outlet.fault

    def close(self) -> None:
        """Close the sink and its thread."""
        self._front.close()
