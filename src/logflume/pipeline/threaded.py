"""Gives any sink a thread of its own, with a bounded queue."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from logflume.config.model import WhenFull
from logflume.guard import Failure, call_guarded
from logflume.pipeline.buffer import Wakeup
from logflume.protocols import Event, Sink

__all__ = ["Threaded"]


class Threaded:
    """Writes to `sink` on a background thread, so that a slow sink delays nobody.

    A sink that raises there must be guarded (the pipeline wraps it in an `GuardedSink` first); an
    error that gets through is raised by the next call of `write`, `flush` or `close`.

    Args:
        sink: Any sink. If it has an attribute `flush_interval_s`, it is flushed that often.
        size: Events that the queue holds, not counting the batch that is being written.
        when_full: What `write` does when it is full. Batches are dropped as a whole.
        name: Name for the thread.
        on_drop: Called with (count, reason) when events are dropped.
        block_timeout_s: The longest that `write` waits with `block`, in seconds.
        close_timeout_s: The longest that `close` waits for the queue, in seconds.
    """

    def __init__(
        self,
        sink: Sink,
        size: int = 65_536,
        when_full: WhenFull = WhenFull.BLOCK,
        *,
        name: str = "sink",
        on_drop: Callable[[int, str], None] | None = None,
        block_timeout_s: float = 1.0,
        close_timeout_s: float = 10.0,
    ) -> None:
        self._sink = sink
        self._size = size
        self._when_full = when_full
        self._on_drop = on_drop or _ignore
        self._block_timeout_s = block_timeout_s
        self._close_timeout_s = close_timeout_s
        self._batches: deque[Sequence[Event]] = deque()
        self._waiting = 0  # events in `_batches`
        self._writing = 0  # events of the batch that the sink has in hand
        self._gone = 0  # batches that left the queue
        self._tickets: deque[_Ticket] = deque()
        self._stopping = False
        self._stalled = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"logflume-{name}", daemon=True)
        self._thread.start()

    def write(self, events: Sequence[Event]) -> None:
        """Queue a batch, or do what `when_full` says."""
        self._raise_error()
        with self._changed:
            if not self._make_room(len(events)):
                self._on_drop(len(events), "queue_full")
                return
            self._batches.append(events)
            self._waiting += len(events)
            self._changed.notify_all()

    def drain(self, timeout_s: float) -> bool:
        """Wait until all written so far is flushed; False when `timeout_s` was not enough."""
        bell = Wakeup()
        with self._changed:
            self._tickets.append(_Ticket(self._gone + len(self._batches), bell))
            self._changed.notify_all()
        return bell.wait(timeout_s)

    def flush(self) -> None:
        """Return when all written so far is flushed.

        Raises:
            TimeoutError: It took longer than `close_timeout_s`.
        """
        if not self.drain(self._close_timeout_s):
            raise TimeoutError(f"the queue was not written within {self._close_timeout_s} s")
        self._raise_error()

    def close(self) -> None:
        """Write what is queued, close the sink and end the thread.

        What is still queued after `close_timeout_s` is dropped and counted.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(self._close_timeout_s)
        if self._thread.is_alive():
            self._give_up()
        self._raise_error()

    def _give_up(self) -> None:
        with self._changed:
            left = self._waiting + self._writing
            self._gone += len(self._batches)
            self._batches.clear()
            self._waiting = 0
        self._on_drop(left, "shutdown_timeout")

    def _make_room(self, count: int) -> bool:
        if self._has_room(count):
            return True
        if self._when_full is WhenFull.DROP_OLDEST:
            while not self._has_room(count):
                self._on_drop(len(self._take()), "queue_full")
            return True
        if self._when_full is WhenFull.BLOCK and not self._stalled:
            # One wait in vain is enough: until something moves, the rest is dropped at once.
            self._stalled = not self._changed.wait_for(
                lambda: self._has_room(count), self._block_timeout_s
            )
            return not self._stalled
        return False

    def _has_room(self, count: int) -> bool:
        # An empty queue takes any batch: one larger than the queue would never fit otherwise.
        return not self._batches or self._waiting + count <= self._size

    def _take(self) -> Sequence[Event]:
        batch = self._batches.popleft()
        self._waiting -= len(batch)
        self._gone += 1
        return batch

    def _run(self) -> None:
        flush_at_s = self._next_flush_s()
        while True:
            # A sink that has more to do than before may ask for its flush sooner.
            flush_at_s = min(flush_at_s, self._next_flush_s())
            batch, tickets, stopping = self._next(flush_at_s)
            if tickets or time.monotonic() >= flush_at_s:
                self._call(self._sink.flush)
                flush_at_s = self._next_flush_s()
            for ticket in tickets:
                ticket.bell.set()
            if batch is not None:
                self._call(self._sink.write, batch)
            if stopping:
                self._call(self._sink.close)
                return

    def _next_flush_s(self) -> float:
        interval_s: float | None = getattr(self._sink, "flush_interval_s", None)
        return math.inf if interval_s is None else time.monotonic() + interval_s

    def _next(self, flush_at_s: float) -> tuple[Sequence[Event] | None, list[_Ticket], bool]:
        """Wait for a batch, a request to flush, the end, or the time of the next flush.

        A ticket is due when the batches that were queued before it are written.
        """
        with self._changed:
            self._writing = 0
            wait_s = None if flush_at_s == math.inf else max(0.0, flush_at_s - time.monotonic())
            self._changed.wait_for(
                lambda: bool(self._batches or self._tickets or self._stopping), wait_s
            )
            due = []
            while self._tickets and self._tickets[0].after <= self._gone:
                due.append(self._tickets.popleft())
            if not self._batches:
                return None, due, self._stopping
            batch = self._take()
            self._writing = len(batch)
            self._stalled = False
            self._changed.notify_all()
            return batch, due, False

    def _call(self, call: Callable[..., None], *args: Any) -> None:
        result = call_guarded(call, *args)
        if isinstance(result, Failure):
            self._error = result.error

    def _raise_error(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error


class _Ticket(NamedTuple):
    """A request to flush, due when so many batches have left the queue."""

    after: int
    bell: Wakeup


def _ignore(_count: int, _reason: str) -> None:
    pass
