"""A guarded sink: it never raises, is retried and caught up from the journal, and is counted."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from itertools import islice
from math import inf
from typing import TypeVar

from logflume.guard import Failure, call_guarded
from logflume.pipeline.catch_up import CatchUp
from logflume.pipeline.counters import Counters
from logflume.pipeline.faults import Report, describe_at
from logflume.pipeline.records import StepAndMode
from logflume.protocols import Event, Sink, is_journal
from logflume.resources import is_shortage
from logflume.values.snapshot import memory_bytes
from logflume.values.steps import place_of

__all__ = ["GuardedSink"]

FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 30.0

BATCH_EVENTS = 1024
"""Number of held events written at once."""

BATCH_TRIES = 3
"""After this many failures in a row, held events are tried one at a time."""

EVENT_TRIES = 6
"""After this many, an event that the sink can't take (no `OSError`) is rejected."""

CLOSE_TRIES = 5
"""Consecutive failures, or rejected events, after which a sink being closed gets no more."""

FLUSH_EVERY_S = 1.0
"""Interval of `flush` for a sink that states none."""

MAX_HELD_EVENTS = 65_536
MAX_HELD_BYTES = 64 * 2**20
"""Limits of the events kept for a failing sink until it accepts events again."""

CATCH_UP_S = 0.02
"""How long a sink catches up before its thread does something else."""

CLOSE_CATCH_UP_S = 4.0
"""How long it catches up when it is closed; the rest is left to the next attempt of the run. A
shortage of file descriptors or memory is waited out for as long."""

SHORTAGE_PAUSE_S = 0.05

_PASSING = (OSError, MemoryError, ImportError)


def _is_passing_shortage(error: BaseException) -> bool:
    if isinstance(error, ImportError):  # a library that is loaded late can't be mapped
        return not isinstance(error, ModuleNotFoundError)
    return is_shortage(error)


T = TypeVar("T", int, float)


class _Retries:
    """When a failing sink is tried again, with how many events, and when one is rejected.

    An `OSError`, `MemoryError` or `ImportError` is taken for a temporary condition, such as a full
    disk, and never costs an event. Any other error may be caused by a single event, which is found
    by trying them one at a time.

    Attributes:
        has_failed: Whether the last try failed.
        is_shortage: Whether it failed for lack of a resource that the system may grant a moment
            later.
    """

    def __init__(self) -> None:
        self.has_failed = False
        self.is_shortage = False
        self._failures = 0
        self._is_passing = False
        self._pause_s = FIRST_RETRY_S
        self._retry_at_s = -inf

    @property
    def may_try(self) -> bool:
        """Whether to try now."""
        return time.monotonic() >= self._retry_at_s

    @property
    def batch_events(self) -> int:
        """How many events to write at once."""
        return BATCH_EVENTS if self._failures < BATCH_TRIES else 1

    @property
    def should_reject(self) -> bool:
        """Whether the first event is to blame for the failure."""
        return self._failures >= EVENT_TRIES and not self._is_passing

    def note_failure(self, error: BaseException) -> None:
        """Note that a try failed."""
        self.has_failed = True
        self.is_shortage = _is_passing_shortage(error)
        if isinstance(error, _PASSING) is not self._is_passing:
            self._is_passing, self._failures = not self._is_passing, 0
        self._failures += 1
        self._retry_at_s = time.monotonic() + self._pause_s
        self._pause_s = min(self._pause_s * 2, LONGEST_RETRY_S)

    def note_success(self, *, one_of_several: bool = False) -> None:
        """Note that a try succeeded.

        Args:
            one_of_several: Whether the try wrote one of several events: an event that the sink
                can't take may follow.
        """
        self.has_failed = self.is_shortage = False
        self._failures = min(self._failures, BATCH_TRIES) if one_of_several else 0
        self._pause_s = FIRST_RETRY_S
        self._retry_at_s = -inf

    def note_rejected(self) -> None:
        """Note that the event to blame was rejected."""
        self._failures = BATCH_TRIES
        self._pause_s = FIRST_RETRY_S


class _RetriesAtClose(_Retries):
    """Retries of a sink that is being closed: without pauses, and only a few."""

    def __init__(self) -> None:
        super().__init__()
        self._is_one_by_one = False
        self._rejected = 0

    @property
    def may_try(self) -> bool:
        """Whether to try once more."""
        return self._failures < CLOSE_TRIES and self._rejected < CLOSE_TRIES

    @property
    def batch_events(self) -> int:
        """How many events to write at once."""
        return 1 if self._is_one_by_one else BATCH_EVENTS

    @property
    def should_reject(self) -> bool:
        """Whether the first event is to blame: it was tried alone."""
        return self._failures > 0 and not self._is_passing

    def note_failure(self, error: BaseException) -> None:
        """Note that a try failed; one with several events only shows that one is to blame."""
        super().note_failure(error)
        if not self._is_passing and not self._is_one_by_one:
            self._is_one_by_one, self._failures = True, 0

    def note_success(self, *, one_of_several: bool = False) -> None:
        """Note that a try succeeded."""
        super().note_success(one_of_several=one_of_several)
        self._failures = self._rejected = 0

    def note_rejected(self) -> None:
        """Note that the event to blame was rejected."""
        self._failures = 0
        self._rejected += 1


class GuardedSink:
    """A sink that never raises. It is a `Sink` itself, so it may be wrapped like any other.

    When the sink raises, its events are held and written again after a pause, which doubles each
    time. Events that can no longer be held are left to the catch-up. The first fault and the
    recovery are reported; faults between them are only counted.

    Events are written in this order: those of the catch-up, then those held, then new ones.

    Args:
        name: Name of the sink in the configuration.
        sink: The sink.
        report: Called with its faults.

    Attributes:
        counters: The counts of its events.
        fault: The sink's current fault as text; None if it has none.
        catch_up: The catch-up from the journal; None without a journal.
    """

    def __init__(self, name: str, sink: Sink, report: Report) -> None:
        self.name = name
        self.counters = Counters()
        self.fault: str | None = None
        self.catch_up: CatchUp | None = None
        self._sink = sink
        self._report = report
        self._retries = _Retries()
        self._held: deque[Event] = deque()
        self._held_bytes = 0
        self._from_journal: deque[Event] = deque()
        self._fails_to_flush = False

    @property
    def is_journal(self) -> bool:
        """Whether the sink is the journal, from which all others can be rebuilt."""
        return is_journal(self._sink)

    @property
    def loss(self) -> str | None:
        """What another process has removed of the sink's output; None if nothing."""
        loss = call_guarded(getattr, self._sink, "loss", None)
        return loss if isinstance(loss, str) else None

    @property
    def flush_every_s(self) -> float:
        """Interval of `flush` in seconds. It also writes held events, so every sink has one."""
        return CATCH_UP_S if self.is_catching_up else self._number("flush_every_s", FLUSH_EVERY_S)

    @property
    def is_catching_up(self) -> bool:
        """Whether the next call of `flush` continues the catch-up."""
        if self._retries.has_failed or self.catch_up is None:
            return False
        return bool(self._from_journal) or self.catch_up.is_ready()

    @property
    def is_up_to_date(self) -> bool:
        """Whether the sink has no fault and is not behind the journal."""
        return self.fault is None and not self.catch_up and not self._from_journal

    def write(self, events: Sequence[Event]) -> None:
        """Write events, or hold them while the sink takes none."""
        if self._retries.has_failed:
            self._hold(events)
            self.retry()
        elif self._from_journal or self.catch_up or not self._try_write(events, self._retries):
            self._hold(events)

    def skip(self, first: Event, last: Event, count: int) -> None:
        """Leave events that found no room in a queue to the catch-up.

        Args:
            first: The first of them.
            last: The last of them; this is called before the events that follow are written.
            count: Their number.
        """
        self.counters.drop(count, "queue_full")
        if self.catch_up is not None:
            # The held events lie between those of the catch-up and these; the journal has them,
            # too.
            self.counters.drop(len(self._held), "sink_failed")
            self._held.clear()
            self._held_bytes = 0
            self.catch_up.add(first)
            self.catch_up.add(last)

    def retry(self) -> None:
        """Write waiting events if the pause is over. Cheap if there are none."""
        self._write_waiting(self._retries, time.monotonic() + CATCH_UP_S)
        self._recover()

    def flush(self) -> None:
        """Flush the sink; a fault counts like one of `write`. The catch-up comes first."""
        self.retry()
        if self.is_catching_up:
            return
        self._fails_to_flush = not self._succeeded(call_guarded(self._sink.flush))
        self._recover()

    def close(self) -> None:
        """Try a last time to write waiting events, then close the sink."""
        # The pipeline has ended; whoever ended it reads `fault`.
        self._report = _ignore
        if self.catch_up is not None:
            self.catch_up.stop_waiting()
        until_s = time.monotonic() + CLOSE_CATCH_UP_S
        retries = _RetriesAtClose()
        self._write_waiting(retries, until_s)
        while retries.is_shortage and time.monotonic() < until_s:
            time.sleep(SHORTAGE_PAUSE_S)
            retries = _RetriesAtClose()
            self._write_waiting(retries, until_s)
        reason = "sink_failed" if retries.has_failed else "not_caught_up"
        self.counters.drop(len(self._from_journal) + len(self._held), reason)
        self._from_journal.clear()
        self._held.clear()
        if not retries.has_failed:
            self.fault = None
        self._flush_patiently(until_s)
        self._succeeded(call_guarded(self._sink.close))
        self.counters.drop_unwritten("sink_failed")

    def _flush_patiently(self, until_s: float) -> None:
        """Flush the sink, and wait out a shortage of resources."""
        while self._number("unwritten", 0) and time.monotonic() < until_s:
            flushed = call_guarded(self._sink.flush)
            if not isinstance(flushed, Failure) or not _is_passing_shortage(flushed.error):
                return
            time.sleep(SHORTAGE_PAUSE_S)

    def _write_waiting(self, retries: _Retries, until_s: float) -> None:
        """Write what the catch-up has until `until_s`, and then what is held."""
        while retries.may_try and (queue := self._next_queue(retries, until_s)):
            batch = list(islice(queue, retries.batch_events))
            if self._try_write(batch, retries):
                for _ in batch:
                    self._pop(queue)
                retries.note_success(one_of_several=len(batch) == 1 and bool(queue))
            elif retries.should_reject:
                self._pop(queue)
                self.counters.drop(1, "rejected")
                retries.note_rejected()

    def _next_queue(self, retries: _Retries, until_s: float) -> deque[Event] | None:
        """Return the queue to write from; None when there is nothing to write now."""
        while not self._from_journal and self.catch_up:
            if time.monotonic() > until_s or not self.catch_up.is_ready():
                return None
            taken = call_guarded(self.catch_up.take)
            if isinstance(taken, Failure):
                self._succeeded(taken)
                retries.note_failure(taken.error)
                if retries.should_reject:
                    self.catch_up.give_up()
                return None
            retries.has_failed = False
            self._from_journal.extend(taken)
        return self._from_journal or self._held or None

    def _try_write(self, events: Sequence[Event], retries: _Retries) -> bool:
        result = call_guarded(self._sink.write, events)
        if self._succeeded(result, place_of(events[0]) if events else None):
            self.counters.taken += len(events)
            return True
        assert isinstance(result, Failure)
        retries.note_failure(result.error)
        return False

    def _succeeded(self, result: object, place: StepAndMode | None = None) -> bool:
        """Whether a call succeeded; faults are counted, and the first in a row is reported.

        Args:
            result: What the call returned.
            place: Step and mode of the first event that it was to write.
        """
        self.counters.unwritten = self._number("unwritten", 0)
        if not isinstance(result, Failure):
            return True
        self.counters.failed += 1
        was_fine, self.fault = self.fault is None, describe_at(result.error)
        if was_fine:
            self._report(self.name, "failed", self.fault, place=place, error=result.error)
        return False

    def _number(self, attribute: str, default: T) -> T:
        """Return an attribute of the sink, or the default if it isn't a number of this kind."""
        value = call_guarded(getattr, self._sink, attribute, default)
        if isinstance(value, Failure) or type(value) not in (int, type(default)):
            return default
        return value if 0 < value < inf else default

    def _hold(self, events: Sequence[Event]) -> None:
        self._held.extend(events)
        self._held_bytes += sum(memory_bytes(event.values()) for event in events)
        surplus = 0
        while len(self._held) > MAX_HELD_EVENTS or (
            self._held_bytes > MAX_HELD_BYTES and len(self._held) > 1
        ):
            oldest = self._pop(self._held)
            surplus += 1
            if self.catch_up is not None:
                self.catch_up.add(oldest)
        self.counters.drop(surplus, "sink_failed")

    def _pop(self, queue: deque[Event]) -> Event:
        event = queue.popleft()
        if queue is self._held:
            self._held_bytes -= memory_bytes(event.values())
        return event

    def _recover(self) -> None:
        if self.fault is None or self._retries.has_failed or self._fails_to_flush:
            return
        if self._from_journal or self._held or self.catch_up:
            return
        self.fault = None
        self._report(self.name, "recovered", "it accepts events again")


def _ignore(
    _component: str,
    _status: str,
    _reason: str,
    /,
    *,
    place: StepAndMode | None = None,
    error: BaseException | None = None,
) -> None:
    """Report nothing."""
