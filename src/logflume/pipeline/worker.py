"""The worker: takes records from the buffer, makes events of them, hands them to the lanes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from typing import Any

from logflume.events.reserved import LEVELS
from logflume.guard import Failure, call_guarded, describe
from logflume.pipeline.buffer import RecordSource, Wakeup
from logflume.pipeline.delivery import Delivery
from logflume.pipeline.event_dict import to_event_dict
from logflume.pipeline.processor_chain import ProcessorChain
from logflume.pipeline.records import Batch, Call, Deferred, Item, Lost, Record
from logflume.pipeline.router import Router
from logflume.protocols import Event
from logflume.values.kinds import Kind
from logflume.values.normalize import Normalizer

__all__ = ["Worker"]

BATCH = 1024
"""Records taken at once. Between batches a flush or a stop is noticed."""

LONGEST_SLEEP_S = 0.25
"""How long a worker in a process of its own sleeps at most: what happens there does not ring."""


class Worker:
    """The thread behind the buffer. It looks twice every `flush_interval_s`, or when woken.

    Args:
        source: Where the records come from.
        chain: What each event runs through.
        normalizer: What finishes and numbers it.
        router: Sorts the finished events by lane.
        lanes: All lanes, in the order in which they are written.
        flush_interval_s: The longest that a record waits for its turn, in seconds.
        save_kinds: Called with the kinds of the fields before events with new ones are written.
        report: Called with (component, status, reason) on the first bug of the worker's own.
        polls: Whether records come without a ring of the buffer's bell, so that it has to look.

    Attributes:
        taken: Records taken from the buffer.
        lost: Records that the full buffer dropped, or that no event could be made of.
        finished: Events that left the chain.
    """

    def __init__(
        self,
        source: RecordSource,
        chain: ProcessorChain,
        normalizer: Normalizer,
        router: Router[Delivery],
        lanes: Sequence[Delivery],
        flush_interval_s: float,
        save_kinds: Callable[[dict[str, dict[str, Kind]]], None],
        report: Callable[[str, str, str], None],
        polls: bool,
    ) -> None:
        self.taken = 0
        self.lost = 0
        self.finished = 0
        self._source = source
        self._buffer = source.buffer
        self._normalizer = normalizer
        self._chain = chain
        self._router = router
        self._lanes = lanes
        self._save_kinds = save_kinds
        self._report = report
        self._started_ns = 0
        self._tickets: deque[Wakeup] = deque()
        self._stop: Callable[[], None] | None = None
        self._thread: threading.Thread | None = None
        self._has_ended = False
        self._is_given_up = False
        self._has_bug = False
        self._flush_interval_s = flush_interval_s
        self._polls = polls

    @property
    def misfits(self) -> int:
        """Values that are in `extras` because they did not fit their column."""
        return self._normalizer.misfits

    def start(self, opening: Callable[[], None]) -> None:
        """Start the thread; `opening` runs on it before the first record is taken."""
        self._started_ns = time.time_ns()
        self._thread = threading.Thread(
            target=self._run, args=(opening,), name="logflume-worker", daemon=True
        )
        self._thread.start()

    def request_flush(self) -> Wakeup:
        """Return a bell that rings when all that the buffer held by now has been written."""
        ticket = Wakeup()
        self._tickets.append(ticket)
        self._buffer.wake.set()
        return ticket

    def stop(self, finale: Callable[[], None], timeout_s: float) -> bool:
        """Run `finale` on the thread after everything is written, and end; False on time-out.

        After a time-out the buffer belongs to the next worker: this one takes nothing more of it.
        """
        self._stop = finale
        self._buffer.wake.set()
        if self._thread is None:
            return True
        self._is_given_up = not self._buffer.wait_for(lambda: self._has_ended, timeout_s)
        return self._has_ended

    def turn(self) -> None:
        """Write all that the buffer holds now. Runs on the worker's thread."""
        tickets = [self._tickets.popleft() for _ in range(len(self._tickets))]
        remaining = len(self._buffer)
        while remaining > 0 and not self._is_given_up:
            records = self._buffer.take(min(remaining, BATCH))
            if not records:
                break
            remaining -= len(records)
            self._work_off(records)
        for lane in self._lanes:
            lane.tick()
        if tickets:
            for lane in self._lanes:
                lane.flush()
        for ticket in tickets:
            ticket.set()

    def write(self, events: Sequence[Event]) -> None:
        """Hand finished events to their lanes, the journal's first."""
        if self._normalizer.has_new_kinds:
            self._normalizer.has_new_kinds = False
            self._save_kinds(self._normalizer.kinds)
        self.finished += len(events)
        sorted_events = self._router.sort(events)
        for lane, batch in sorted_events.items():
            # All are counted first: a sink that hangs must not make the others forget theirs.
            lane.totals.accepted += len(batch)
        for lane in self._lanes:
            if lane in sorted_events:
                lane.write(sorted_events[lane])

    def write_call(self, call: Call) -> None:
        """Write the event of a call that never was in the buffer."""
        event = self._finish(call)
        if event is not None:
            self.write([event])

    def write_unfinished(self, event_dicts: Sequence[dict[str, Any]]) -> None:
        """Write events that come out of the chain outside of a log call."""
        self.write([self._normalizer.finish(event_dict) for event_dict in event_dicts])

    def _work_off(self, items: Sequence[Item]) -> None:
        """Write the events of some items; a batch is one piece, and told when it is written."""
        events: list[Event] = []
        for item in items:
            events += self._read(item)
            if isinstance(item, Batch):
                self.write(events)
                item.written()
                events = []
        if events:
            self.write(events)

    def _finish(self, call: Call) -> Event | None:
        """Return the finished event of a call; None if a processor dropped it."""
        event_dict = self._chain.run(to_event_dict(call))
        return None if event_dict is None else self._normalizer.finish(event_dict)

    def _read(self, item: Item) -> list[Event]:
        if isinstance(item, (Lost, Batch, Deferred)):
            return self._read_several(item)
        if item[0] < self._started_ns and not self._is_wanted(Record._make(item)):
            return []
        event = call_guarded(self._finish, item)
        if isinstance(event, Failure):
            self._lose(1)
            self._report_bug(event)
            return []
        self.taken += 1
        return [] if event is None else [event]

    def _read_several(self, item: Lost | Batch | Deferred) -> list[Event]:
        if isinstance(item, Batch):
            return [event for inner in item.items for event in self._read(inner)]
        if isinstance(item, Deferred):
            return self._read_deferred(item)
        self._lose(item.count)
        return []

    def _read_deferred(self, deferred: Deferred) -> list[Event]:
        records = call_guarded(deferred.records)
        if isinstance(records, Failure):
            self._lose(deferred.events)
            self._report_bug(records)
            return []
        return [
            event for record in records if self._is_wanted(record) for event in self._read(record)
        ]

    def _is_wanted(self, record: Record) -> bool:
        """Whether a record that did not pass its logger's level yet has one that is logged."""
        return LEVELS.get(record.level, 20) >= self._source.level_of(record.logger)

    def _lose(self, count: int) -> None:
        self.lost += count
        self._normalizer.seq += count

    def _pause_s(self) -> float:
        """Return how long to sleep if nobody rings."""
        look_s = self._flush_interval_s / 2
        if self._polls:
            return look_s
        due_s = min((lane.due_at_s for lane in self._lanes), default=inf) - time.monotonic()
        return min(max(due_s, look_s), LONGEST_SLEEP_S)

    def _run(self, opening: Callable[[], None]) -> None:
        self._guarded(opening)
        while self._stop is None:
            self._buffer.wake.wait(self._pause_s())
            self._guarded(self.turn)
        self._guarded(self.turn)
        self._guarded(self._stop)
        self._has_ended = True
        self._buffer.announce()

    def _guarded(self, call: Callable[[], None]) -> None:
        """Go on after an error; what may raise has a guard of its own, so it is a bug of ours."""
        result = call_guarded(call)
        if isinstance(result, Failure):
            self._report_bug(result)

    def _report_bug(self, failure: Failure) -> None:
        if not self._has_bug:
            self._has_bug = True
            self._report("worker", "failed", describe(failure.error))
