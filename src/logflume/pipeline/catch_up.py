"""The events that one sink must get from the journal before anything newer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Container, Iterator

from logflume.pipeline.counters import Counters
from logflume.protocols import Event, Position, RebuildableSink, Sink
from logflume.runs.info import RunInfo

__all__ = ["CatchUp"]

JOURNAL_TIMEOUT_S = 35.0
"""How long to wait for a journal that also fails: a little more than its longest pause."""


class CatchUp:
    """A range of the journal from which a sink lacks the events that are routed to it.

    It begins with events that earlier attempts didn't deliver, and grows by events that can't be
    held while the sink fails. It is truthy until the sink has all of it.

    Args:
        read: Yields the events of a run and rank from a position on (`Journal.read`).
        journal_fails: Returns whether the journal has a fault, so that it may still lack events of
            the range.
        wants: Returns whether an event is routed to the sink.
        sink: The sink.
        run: The current attempt.
        counters: The counters of the sink's events.
    """

    def __init__(
        self,
        read: Callable[[RunInfo, Position], Iterator[list[Event]]],
        journal_fails: Callable[[], bool],
        wants: Callable[[Event], bool],
        sink: Sink,
        run: RunInfo,
        counters: Counters,
    ) -> None:
        self._read = read
        self._journal_fails = journal_fails
        self._wants = wants
        self._sink = sink
        self._run = run
        self._start: Position = (run.attempt, run.first_seq)
        self._counters = counters
        self._range: tuple[Position, Position] | None = None
        self._batches: Iterator[list[Event]] | None = None
        self._held: Container[Position] = ()
        self._must_query = False
        self._wait_until_s: float | None = None

    def __bool__(self) -> bool:
        return self._range is not None

    def is_ready(self) -> bool:
        """Whether there is something to take now.

        While the journal itself fails, its held events are waited for, but not for long.
        """
        if self._range is None:
            return False
        if self._range[1] < self._start or not self._journal_fails():
            self._wait_until_s = None
            return True
        if self._wait_until_s is None:
            self._wait_until_s = time.monotonic() + JOURNAL_TIMEOUT_S
        return time.monotonic() >= self._wait_until_s

    def stop_waiting(self) -> None:
        """From now on, take what the journal has without waiting for it."""
        self._wait_until_s = -math.inf

    def include_earlier(self, first_attempt: int) -> None:
        """Begin with what the sink lacks from `first_attempt` to the start of this pipeline."""
        attempt, first_seq = self._start
        if (first_attempt, 0) < self._start and isinstance(self._sink, RebuildableSink):
            self._range = ((first_attempt, 0), (attempt, first_seq - 1))
            self._must_query = True

    def add(self, event: Event) -> None:
        """Add an event, which extends the range up to it."""
        position = _position(event)
        self._range = (position if self._range is None else self._range[0], position)

    def take(self) -> list[Event]:
        """Return the next events, in order; an empty list doesn't mean that none follow.

        They are counted as caught up, or as filled in where an earlier pipeline accepted them.
        """
        self._query_held()
        if self._range is None:
            return []
        first, last = self._range
        # Kept only if reading succeeds: after an error the next call starts again at `first`.
        batches, self._batches = self._batches or self._read(self._run, first), None
        batch = next(batches, None)
        self._batches = batches
        if batch is None or (batch and _position(batch[-1]) >= last):
            self.give_up()
        elif batch:
            attempt, seq = _position(batch[-1])
            self._range = ((attempt, seq + 1), last)
        events = [event for event in batch or () if _position(event) <= last and self._lacks(event)]
        self._count(events)
        return events

    def give_up(self) -> None:
        """End the catch-up: nothing is left, or the rest can't be read."""
        self._range = None
        self._batches = None

    def _query_held(self) -> None:
        """Query the sink, once, before this pipeline writes anything to it."""
        if not self._must_query or not isinstance(self._sink, RebuildableSink):
            return
        held = self._sink.held(self._run)
        self._must_query = False
        if held is not None:
            self._held = held
        elif self._range is not None:
            # Only what this pipeline has missed is known to be missing.
            last = self._range[1]
            self._range = (self._start, last) if self._start <= last else None

    def _lacks(self, event: Event) -> bool:
        return self._wants(event) and _position(event) not in self._held

    def _count(self, events: list[Event]) -> None:
        earlier = sum(_position(event) < self._start for event in events)
        self._counters.filled_in += earlier
        self._counters.caught_up += len(events) - earlier


def _position(event: Event) -> Position:
    return event["attempt"], event["seq"]
