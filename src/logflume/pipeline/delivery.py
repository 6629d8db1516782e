"""One sink behind its guard: what it gets, what it took, and what happens when it fails."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from math import inf

from logflume.guard import Failure, call_guarded, describe
from logflume.pipeline.catch_up import CatchUp
from logflume.pipeline.counters import Counters
from logflume.protocols import BackgroundSink, Event, Sink

__all__ = ["Delivery", "GuardedSink"]


FLUSH_CATCH_UP_S = 2.0
"""How long the worker catches up, for one sink, when it is asked to flush."""


class Delivery:
    """Drives one sink from the worker.

    Args:
        guarded: The guarded sink; its counters are the delivery's.
        front: What to write to: the guarded, or the guarded wrapped in a thread.
    """

    def __init__(self, guarded: GuardedSink, front: Sink) -> None:
        self.name = guarded.name
        self.counters = guarded.counters
        self._guarded = guarded
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
        is_well = self._guarded.fault is None
        return self._flushed_at_s + self._guarded.flush_interval_s if is_well else 0.0

    def tick(self) -> None:
        """Retry and flush when it is time to. A sink with a thread of its own does so there."""
        if self._background is not None:
            return
        self._guarded.retry()
        if time.monotonic() - self._flushed_at_s >= self._guarded.flush_interval_s:
            self._flush()

    def flush(self) -> None:
        """Flush a sink of the worker's own thread; one with a thread is left to `drain`."""
        if self._background is not None:
            return
        until_s = time.monotonic() + FLUSH_CATCH_UP_S
        self._flush()
        while self._guarded.is_catching_up and time.monotonic() < until_s:
            self._flush()

    def drain(self, timeout_s: float) -> bool:
        """Wait until all written so far can be read; False if that failed or took too long."""
        if self._background is None:
            return self._guarded.is_up_to_date
        until_s = time.monotonic() + timeout_s
        done = self._background.drain(timeout_s)
        while done and self._guarded.is_catching_up and time.monotonic() < until_s:
            done = self._background.drain(max(0.0, until_s - time.monotonic()))
        return done and self._guarded.is_up_to_date

    def use_catch_up(self, catch_up: CatchUp, first_attempt: int) -> None:
        """Let the sink catch up from the journal, now and whenever it has missed something.

        Args:
            catch_up: What it gets from there.
            first_attempt: The first attempt of which it may lack something.
        """
        catch_up.look_back(first_attempt)
        self._guarded.catch_up = catch_up

    @property
    def is_whole(self) -> bool:
        """Whether the sink has all that the journal has for it, up to now."""
        return self._guarded.is_up_to_date and self.counters.is_whole

    def has_all(self, events: int) -> bool:
        """Whether the sink has every event of this attempt, whatever their type."""
        return self.is_whole and self.counters.is_all(events)

    def _flush(self) -> None:
        self._guarded.flush()
        self._flushed_at_s = time.monotonic()

    @property
    def fault(self) -> str | None:
        """What is wrong with the sink at the moment; None if nothing is."""
        return self._guarded.fault

    def close(self) -> None:
        """Close the sink and its thread."""
        self._front.close()


FIRST_RETRY_S = 0.1

LONGEST_RETRY_S = 30.0

BATCH = 1024
"""Held events that are written at once."""

BATCH_TRIES = 3
"""After so many failures in a row, held events are tried one at a time."""

EVENT_TRIES = 6
"""After so many, an event that the sink can't take (no `OSError`) is given up."""

LAST_TRIES = 5  # `OSError`s in a row after which a sink that is closed gets no more

MAX_HELD = 65_536
"""Events kept for a sink that fails, until it takes them again."""

CATCH_UP_S = 0.02
"""How long an guarded catches up before its thread does something else."""

LAST_CATCH_UP_S = 4.0
"""How long when it is closed: the rest is left to the next opening of the run."""


class GuardedSink:
    """A sink that never raises. It is a `Sink` itself, so it may be wrapped like any other.

    When the sink raises, its events are held (at most `MAX_HELD`, the oldest go first) and
    written again after a pause that doubles each time. The first fault is reported, and so is
    the recovery; what happens between is only counted.

    What the sink has to get from the journal, the `catch_up`, comes before all that is held.

    Args:
        name: Name of the sink in the configuration.
        sink: The sink.
        report: Called with (component, status, reason).

    Attributes:
        fault: The sink's last fault as text; None while all is well.
        catch_up: What the sink gets from the journal; None where there is no journal.
    """

    def __init__(self, name: str, sink: Sink, report: Callable[[str, str, str], None]) -> None:
        self.name = name
        self.counters = Counters()
        self.fault: str | None = None
        self.catch_up: CatchUp | None = None
        self._sink = sink
        self._report = report
        self._held: deque[Event] = deque()
        self._late: deque[Event] = deque()  # those from the catch_up that are being written
        self._retry_at_s = 0.0
        self._pause_s = FIRST_RETRY_S
        self._tries = 0
        self._may_heal = False
        self._fails_to_write = False
        self._fails_to_flush = False

    @property
    def flush_interval_s(self) -> float:
        """How often to call `flush`. It also writes what is held, so every sink needs one."""
        interval_s: float = getattr(self._sink, "flush_interval_s", 1.0)
        return CATCH_UP_S if self.is_catching_up else interval_s

    @property
    def is_catching_up(self) -> bool:
        """Whether the next call of `flush` gets on with the catch_up."""
        if self._fails_to_write or self.catch_up is None:
            return False
        return bool(self._late) or self.catch_up.is_ready()

    @property
    def is_up_to_date(self) -> bool:
        """Whether nothing is wrong with the sink, nor anything left of the catch_up."""
        return self.fault is None and not self.catch_up and not self._late

    def write(self, events: Sequence[Event]) -> None:
        """Give the sink its events, or hold them while it takes none."""
        if self._fails_to_write:
            self._hold(events)
            self.retry()
        elif self._late or self.catch_up or not self._try_write(events):
            self._hold(events)

    def retry(self) -> None:
        """Write what is late and held, if the pause is over. Cheap when nothing is."""
        if time.monotonic() < self._retry_at_s or not (self._held or self._late or self.catch_up):
            return
        if self._catch_up() and self._write_all(self._held):
            self._recover()

    def flush(self) -> None:
        """Flush the sink; a fault counts like one of `write`. It waits for the catch_up."""
        self.retry()
        if self.is_catching_up:
            return
        self._fails_to_flush = not self._is_done(call_guarded(self._sink.flush))
        self._recover()

    def close(self) -> None:
        """Try a last time to write what is held, then close the sink."""
        # The pipeline has ended: `fault` is read by whoever ended it.
        self._report = lambda _component, _status, _reason: None
        self._write_last()
        reason = "sink_failed" if self._fails_to_write else "not_caught_up"
        self.counters.drop(len(self._late) + len(self._held), reason)
        self._late.clear()
        self._held.clear()
        if not self._fails_to_write:
            self.fault = None
        self._is_done(call_guarded(self._sink.close))

    def _catch_up(self) -> bool:
        """Write some of the catch_up; True when nothing is left of it."""
        until_s = time.monotonic() + CATCH_UP_S
        while self._write_all(self._late):
            if not self.catch_up:
                return True
            if time.monotonic() > until_s or not self._take():
                return False
        return False

    def _take(self) -> bool:
        """Take the next events of the catch_up, if they can be had."""
        if self.catch_up is None or not self.catch_up.is_ready():
            return False
        taken = call_guarded(self.catch_up.take)
        if isinstance(taken, Failure):
            self._is_done(taken)
            self._pause()
            if self._tries >= EVENT_TRIES and not self._may_heal:
                self.catch_up.give_up()
            return False
        self._fails_to_write = False
        self._late.extend(taken)
        return True

    def _write_all(self, queue: deque[Event]) -> bool:
        while queue:
            if not self._try_first(queue, BATCH if self._tries < BATCH_TRIES else 1):
                # A full disk heals; an event that trips a bug in the sink never will.
                if self._tries >= EVENT_TRIES and not self._may_heal:
                    self._reject(queue)
                    self._tries = BATCH_TRIES
                    self._pause_s = FIRST_RETRY_S
                return False
        return True

    def _write_last(self) -> None:
        """Write what is late and held, as far as the sink can take it."""
        if self.catch_up is not None:
            self.catch_up.wait_no_longer()
        until_s = time.monotonic() + LAST_CATCH_UP_S
        while self._write_rest(self._late) and self.catch_up:
            if time.monotonic() > until_s or not self._take():
                return
        if not self._late:
            self._write_rest(self._held)

    def _write_rest(self, queue: deque[Event]) -> bool:
        """Write all of it, and leave out only those events that the sink can't take."""
        size, rejected, failed = BATCH, 0, 0
        while queue and rejected < EVENT_TRIES and failed < LAST_TRIES:
            if self._try_first(queue, size):
                rejected = failed = 0
            elif self._may_heal:
                failed += 1
            elif size == 1:
                self._reject(queue)
                rejected += 1
            else:
                size = 1
        return not queue

    def _try_first(self, queue: deque[Event], size: int) -> bool:
        batch = list(islice(queue, size))
        if not self._try_write(batch):
            return False
        for _ in batch:
            queue.popleft()
        self._fails_to_write = False
        self._pause_s = FIRST_RETRY_S
        # Written one by one, an event that the sink can't take may lie ahead, with its own tries.
        self._tries = 0 if size > 1 or not queue else min(self._tries, BATCH_TRIES)
        return True

    def _try_write(self, events: Sequence[Event]) -> bool:
        if self._is_done(call_guarded(self._sink.write, events)):
            self.counters.written += len(events)
            return True
        self._pause()
        return False

    def _pause(self) -> None:
        self._fails_to_write = True
        self._tries += 1
        self._retry_at_s = time.monotonic() + self._pause_s
        self._pause_s = min(self._pause_s * 2, LONGEST_RETRY_S)

    def _is_done(self, result: object) -> bool:
        """Whether a call of the sink went well; a fault is counted, the first in a row reported."""
        if not isinstance(result, Failure):
            return True
        self.counters.failed += 1
        may_heal = isinstance(result.error, OSError)
        if may_heal != self._may_heal:
            self._may_heal, self._tries = may_heal, 0
        was_fine, self.fault = self.fault is None, describe(result.error)
        if was_fine:
            self._report(self.name, "failed", self.fault)
        return False

    def _reject(self, queue: deque[Event]) -> None:
        queue.popleft()
        self.counters.drop(1, "rejected")

    def _hold(self, events: Sequence[Event]) -> None:
        self._held.extend(events)
        surplus = max(0, len(self._held) - MAX_HELD)
        for _ in range(surplus):
            oldest = self._held.popleft()
            if self.catch_up is not None:
                self.catch_up.add(oldest)
        self.counters.drop(surplus, "sink_failed")

    def _recover(self) -> None:
        if self.fault is None or self._fails_to_write or self._fails_to_flush or self.catch_up:
            return
        self.fault = None
        self._tries = 0
        self._pause_s = FIRST_RETRY_S
        self._report(self.name, "recovered", "it takes events again")
