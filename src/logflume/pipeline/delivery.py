"""One sink as the worker drives it: on the worker's thread, or on a thread of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from math import inf

from logflume.pipeline.catch_up import CatchUp
from logflume.pipeline.faults import Report
from logflume.pipeline.guarded_sink import GuardedSink
from logflume.pipeline.threaded import Threaded
from logflume.protocols import Event

__all__ = ["Delivery"]

FLUSH_CATCH_UP_S = 2.0
"""How long the worker catches up for one sink when a flush is requested."""


class Delivery:
    """Drives one sink from the worker.

    Args:
        guarded: The guarded sink.
        threaded: Gives the sink a thread of its own; None: it is called on the worker's thread.
        report: Called on the first loss.

    Attributes:
        name: Name of the sink in the configuration.
        counters: The counts of its events.
    """

    def __init__(
        self,
        guarded: GuardedSink,
        threaded: Threaded | None,
        report: Report,
    ) -> None:
        self.name = guarded.name
        self.counters = guarded.counters
        self._guarded = guarded
        self._threaded = threaded
        self._flushed_at_s = time.monotonic()
        self._report = report
        self._has_reported = False

    def write(self, events: Sequence[Event], size_bytes: int = 0) -> None:
        """Write a batch.

        Args:
            events: The batch.
            size_bytes: Approximate memory of the texts and arrays in it, at most.
        """
        if self._threaded is not None:
            self._threaded.write(events, size_bytes)
        else:
            self._guarded.write(events)

    @property
    def due_at_s(self) -> float:
        """When `tick` next has something to do, by `time.monotonic`; 0 while the sink fails."""
        if self._threaded is not None:
            return inf
        has_fault = self._guarded.fault is not None
        return 0.0 if has_fault else self._flushed_at_s + self._guarded.flush_every_s

    def tick(self) -> None:
        """Retry and flush if it is time. A sink with a thread of its own does so there."""
        if self._threaded is not None:
            return
        self._guarded.retry()
        if time.monotonic() - self._flushed_at_s >= self._guarded.flush_every_s:
            self._flush()

    def flush(self) -> None:
        """Flush a sink on the worker's thread; one with a thread of its own is left to `drain`."""
        if self._threaded is not None:
            return
        until_s = time.monotonic() + FLUSH_CATCH_UP_S
        self._flush()
        while self._guarded.is_catching_up and time.monotonic() < until_s:
            self._flush()

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything written so far can be read; False if it can't, or not in time."""
        if self._threaded is None:
            return self._guarded.is_up_to_date
        until_s = time.monotonic() + timeout_s
        done = self._threaded.drain(timeout_s)
        while done and self._guarded.is_catching_up and time.monotonic() < until_s:
            done = self._threaded.drain(max(0.0, until_s - time.monotonic()))
        return done and self._guarded.is_up_to_date

    def use_catch_up(self, catch_up: CatchUp, first_attempt: int) -> None:
        """Let the sink catch up from the journal, now and whenever it has missed something.

        Args:
            catch_up: The catch-up.
            first_attempt: The first attempt that may be incomplete in the sink.
        """
        catch_up.include_earlier(first_attempt)
        self._guarded.catch_up = catch_up

    @property
    def is_journal(self) -> bool:
        """Whether the sink is the journal."""
        return self._guarded.is_journal

    @property
    def fault(self) -> str | None:
        """The sink's current fault; None if it has none."""
        return self._guarded.fault

    def report_loss(self) -> None:
        """Report, once, what another process has removed of the sink's output."""
        if not self._has_reported and (loss := self.loss):
            self._has_reported = True
            self._report(self.name, "limited", loss)

    @property
    def loss(self) -> str | None:
        """What another process has removed of the sink's output; None if nothing."""
        return self._guarded.loss

    @property
    def is_whole(self) -> bool:
        """Whether the sink has everything that the journal has for it, up to now."""
        return self._guarded.is_up_to_date and self.counters.is_whole and self.loss is None

    def has_all(self, events: int) -> bool:
        """Whether the sink has every event of this attempt, of any type."""
        return self.is_whole and self.counters.is_all(events)

    def close(self) -> None:
        """Close the sink and its thread."""
        (self._threaded or self._guarded).close()

    def _flush(self) -> None:
        self._guarded.flush()
        self._flushed_at_s = time.monotonic()
