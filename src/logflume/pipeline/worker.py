"""The worker: takes records from the buffer and hands the events made of them to the sinks."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import inf
from typing import TypeVar

from logflume.events.reserved import LEVELS
from logflume.guard import Failure, call_guarded
from logflume.pipeline.buffer import RecordSource, Wakeup
from logflume.pipeline.delivery import Delivery
from logflume.pipeline.event_dict import to_event_columns, to_event_dict
from logflume.pipeline.faults import Report, describe_at
from logflume.pipeline.processor_chain import ProcessorChain
from logflume.pipeline.records import (
    BufferItem,
    DeferredRecords,
    Dropped,
    ReceivedBatch,
    RecordColumns,
    RecordTuple,
    StepAndMode,
    count_by_reason,
    item_bytes,
)
from logflume.pipeline.router import Router
from logflume.protocols import Event, EventDict
from logflume.threads import start_thread
from logflume.values.columnar import rows
from logflume.values.kinds import Kind
from logflume.values.normalize import Normalizer

__all__ = ["SHUTDOWN_TIMEOUT", "UNREADABLE", "Worker"]

BATCH_RECORDS = 1024
"""Maximum number of records taken at once."""

BATCH_BYTES = 4 * 2**20
"""Maximum memory of their texts and arrays."""

FEWEST_IN_COLUMNS = 16
"""From this many records of one shape on, columns take less time than rows."""

LONGEST_SLEEP_S = 0.25
"""Maximum sleep of a worker that its source wakes: not every record does."""

UNREADABLE = "unreadable"
"""The reason for dropping records that can't become events because of a bug in this package."""

SHUTDOWN_TIMEOUT = "shutdown_timeout"
"""The reason for dropping records that a shutdown didn't wait for."""


T = TypeVar("T")
R = TypeVar("R")


class _Batch:
    """Events to write together: lists of single events, and batches by column."""

    def __init__(self, size_bytes: int = 0) -> None:
        self.size_bytes = size_bytes
        self.parts: list[Sequence[Event]] = []
        self.events = 0

    def add(self, events: Sequence[Event]) -> None:
        """Add events."""
        self.events += len(events)
        last = self.parts[-1] if self.parts else None
        if isinstance(events, list) and isinstance(last, list):
            last += events
        elif events:
            self.parts.append(events)


class Worker:
    """The thread behind the buffer.

    Args:
        source: The source of the records.
        chain: The processor chain.
        normalizer: Finishes and numbers the events.
        router: Sorts the finished events by delivery.
        deliveries: All deliveries, in the order in which they are written.
        flush_interval_s: Maximum time that a record waits for its turn, in seconds.
        save_kinds: Called with the kinds of the fields before events with new ones are written.
        report: Called on the first internal error of the worker, and on the first messages that
            were probably meant to be metrics.
        polls: Whether records arrive without waking the worker, so that it polls twice per
            `flush_interval_s`.

    Attributes:
        dropped: Records that the full buffer dropped, or that could not become events, by reason.
        finished: Events that left the processor chain.
        alerts: Alerts among them by signal, except those whose problem is over.
        is_given_up: Whether `give_up` was called: the thread takes no more records.
    """

    def __init__(
        self,
        source: RecordSource,
        chain: ProcessorChain,
        normalizer: Normalizer,
        router: Router[Delivery],
        deliveries: Sequence[Delivery],
        flush_interval_s: float,
        save_kinds: Callable[[dict[str, dict[str, Kind]]], None],
        report: Report,
        polls: bool,
    ) -> None:
        self.dropped: Counter[str] = Counter()
        self.finished = 0
        self.alerts: Counter[str] = Counter()
        self._source = source
        self._buffer = source.buffer
        self._normalizer = normalizer
        self._chain = chain
        self._router = router
        self._deliveries = deliveries
        self._save_kinds = save_kinds
        self._report = report
        self._started_ns = 0
        self._flush_requests: deque[Wakeup] = deque()
        self._stop: Callable[[], None] | None = None
        self._thread: threading.Thread | None = None
        self._has_ended = False
        self._on_end: list[Callable[[], None]] = []
        self._end_lock = threading.Lock()
        self.is_given_up = False
        self._has_bug = False
        self._hinted: set[str] = set()
        self._flush_interval_s = flush_interval_s
        self._polls = polls

    @property
    def misfits(self) -> int:
        """Values that are in `extras` because they did not fit their column."""
        return self._normalizer.misfits

    def start(self, opening: Callable[[], None]) -> None:
        """Start the thread; `opening` runs on it before the first record is taken."""
        self._started_ns = time.time_ns()
        self._thread = start_thread("worker", partial(self._run, opening))

    def request_flush(self) -> Wakeup:
        """Request a flush; the result is set once everything now in the buffer is written."""
        request = Wakeup()
        self._flush_requests.append(request)
        self._buffer.wake.set()
        return request

    def stop(self, finale: Callable[[], None], timeout_s: float) -> bool:
        """Run `finale` on the thread after everything is written, and end; False on time-out."""
        if self._stop is None:
            self._stop = finale
        self._buffer.wake.set()
        if self._thread is not None:
            self._buffer.wait_for(lambda: self._has_ended, timeout_s)
        return self._has_ended or self._thread is None

    def give_up(self) -> None:
        """Take no more records and count those in the buffer as dropped: the thread didn't stop."""
        self.is_given_up = True
        self.dropped += count_by_reason(self._buffer.clear(), SHUTDOWN_TIMEOUT)

    def when_ended(self, call: Callable[[], None]) -> None:
        """Call `call` once the thread, and with it the work of all sinks, has ended."""
        with self._end_lock:
            if self._thread is not None and not self._has_ended:
                self._on_end.append(call)
                return
        call()

    def turn(self) -> None:
        """Write everything now in the buffer. Runs on the worker's thread."""
        requests = [self._flush_requests.popleft() for _ in range(len(self._flush_requests))]
        for delivery in self._deliveries:
            # Before the buffer is read: the last turn of a run also writes what this reports.
            delivery.report_loss()
        remaining = len(self._buffer)
        while remaining > 0 and not self.is_given_up:
            items = self._buffer.take(min(remaining, BATCH_RECORDS), BATCH_BYTES)
            if not items:
                break
            remaining -= len(items)
            self._process(items)
        for delivery in self._deliveries:
            delivery.tick()
        if requests:
            for delivery in self._deliveries:
                delivery.flush()
        for request in requests:
            request.set()

    def write(self, events: Sequence[Event], size_bytes: int = 0) -> None:
        """Hand finished events to their deliveries, the journal's first.

        Args:
            events: The events.
            size_bytes: Approximate memory of their texts and arrays.
        """
        if self._normalizer.has_new_kinds:
            self._normalizer.has_new_kinds = False
            self.guarded(lambda: self._save_kinds(self._normalizer.kinds))
        self.finished += len(events)
        sorted_events = self._router.sort(events)
        for delivery, batch in sorted_events.items():
            # All are counted first: a sink that hangs must not leave the others' events uncounted.
            delivery.counters.accepted += len(batch)
        for delivery in self._deliveries:
            if delivery in sorted_events:
                delivery.write(sorted_events[delivery], size_bytes)

    def write_record(self, record: RecordTuple) -> None:
        """Write the event of a record that bypasses the buffer."""
        self.write(self._finish_each([record], self._finish))

    def write_unfinished(self, event_dicts: Sequence[EventDict]) -> None:
        """Finish and write events that the processors returned when they were closed."""
        self.write(self._finish_each(map(dict, event_dicts), self._normalizer.finish))

    def guarded(self, call: Callable[[], None]) -> bool:
        """Continue after an error, which is reported; return whether there was none.

        Calls of foreign code are guarded themselves, so it is a bug of this package, or a lack of
        memory.
        """
        result = call_guarded(call)
        if isinstance(result, Failure):
            self._report_bug(result)
        return not isinstance(result, Failure)

    def _process(self, items: Sequence[BufferItem]) -> None:
        """Write the events of items; a received batch separately, and then acknowledge it."""
        batch = _Batch()
        for item in items:
            if isinstance(item, ReceivedBatch):
                self._write_batch(batch)
                batch = _Batch(size_bytes=item.size_bytes)
                for inner in item.items:
                    self._read(inner, batch)
                self._write_batch(batch)
                item.on_written(self._normalizer.seq)
                batch = _Batch()
            else:
                self._read(item, batch)
                batch.size_bytes += item_bytes(item)
        self._write_batch(batch)

    def _write_batch(self, batch: _Batch) -> None:
        for events in batch.parts:
            self.write(events, batch.size_bytes * len(events) // batch.events)

    def _read(self, item: BufferItem, batch: _Batch) -> None:
        """Add the events of an item to a batch."""
        match item:
            case Dropped(count=count, reason=reason):
                self._drop(count, reason)
            case DeferredRecords():
                made = call_guarded(item.expand)
                if isinstance(made, Failure):
                    self._drop(item.record_count, UNREADABLE)
                    self._report_bug(made)
                    return
                for columns in made:
                    self._read(columns, batch)
            case RecordColumns():
                batch.add(self._read_columns(item))
            case _:
                batch.add(self._read_records([item]))  # type: ignore[list-item]

    def _read_columns(self, records: RecordColumns) -> Sequence[Event]:
        """Return the events of records, by column if processors and values allow it."""
        is_suited = (
            len(records.times_ns) >= FEWEST_IN_COLUMNS
            and min(records.times_ns) >= self._started_ns
            and self._chain.takes_columns(records.event)
        )
        columns = self._try(to_event_columns, records) if is_suited else None
        if columns is None:
            return self._read_records(records.records())
        processed = self._chain.run_columns(columns)
        if isinstance(processed, dict):
            finished = self._try(self._normalizer.finish_columns, processed)
            if finished is not None:
                return finished
            processed = list(rows(processed))
        return self._finish_each(processed, self._normalizer.finish)

    def _read_records(self, records: Iterable[RecordTuple]) -> list[Event]:
        wanted = (r for r in records if r[0] >= self._started_ns or self._is_wanted(r))
        return self._finish_each(wanted, self._finish)

    def _finish_each(self, items: Iterable[T], finish: Callable[[T], Event | None]) -> list[Event]:
        """Return the finished events of records or event dicts, without those that fail."""
        events: list[Event] = []
        for item in items:
            event = call_guarded(finish, item)
            if isinstance(event, Failure):
                self._drop(1, UNREADABLE)
                self._report_bug(event)
                continue
            if event is not None:
                events.append(event)
        return events

    def _finish(self, record: RecordTuple) -> Event | None:
        """Return the finished event of a record; None if a processor dropped it."""
        event_dict = self._chain.run(to_event_dict(record, self._hint))
        if event_dict is None:
            return None
        event = self._normalizer.finish(event_dict)
        if event["event"] == "alert":
            self._count_alert(str(event.get("signal")), is_over="over_since" in event)
        return event

    def _count_alert(self, signal: str, *, is_over: bool) -> None:
        if is_over:
            self.alerts.pop(signal, None)
        else:
            self.alerts[signal] += 1

    def _is_wanted(self, record: RecordTuple) -> bool:
        """Whether a record from before the configuration has a level that is logged."""
        _, logger, level, *_ = record
        return LEVELS.get(level, 20) >= self._source.level_of(logger)

    def _drop(self, count: int, reason: str) -> None:
        self.dropped[reason] += count
        self._normalizer.seq += count

    def _pause_s(self) -> float:
        """Return how long to sleep unless something wakes the worker."""
        poll_s = self._flush_interval_s / 2
        if self._polls:
            return poll_s
        due_s = min((d.due_at_s for d in self._deliveries), default=inf) - time.monotonic()
        return min(max(due_s, poll_s), LONGEST_SLEEP_S)

    def _run(self, opening: Callable[[], None]) -> None:
        self.guarded(opening)
        while self._stop is None:
            self._buffer.wake.wait(self._pause_s())
            self.guarded(self.turn)
        self.guarded(self.turn)
        self.guarded(self._stop)
        with self._end_lock:
            self._has_ended = True
        self._buffer.announce()
        for call in self._on_end:
            self.guarded(call)

    def _try(self, call: Callable[[T], R | None], item: T) -> R | None:
        """Return the result of a faster alternative; None if it fails."""
        result = call_guarded(call, item)
        if not isinstance(result, Failure):
            return result
        self._report_bug(result)
        return None

    def _hint(self, kind: str, advice: str, place: StepAndMode | None) -> None:
        """Report, once for each kind of call, that it isn't recorded as it suggests."""
        if kind not in self._hinted:
            self._hinted.add(kind)
            self._report(kind, "limited", advice, place=place)

    def _report_bug(self, failure: Failure) -> None:
        if not self._has_bug:
            self._has_bug = True
            call_guarded(self._report, "worker", "failed", describe_at(failure.error))
