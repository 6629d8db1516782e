"""Gives a sink a thread of its own, with a bounded queue."""

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
from logflume.threads import start_thread

__all__ = ["Threaded"]


class _Batch(NamedTuple):
    """Events in the queue."""

    events: Sequence[Event]
    size_bytes: int


class _Gap:
    """Stands in the queue for events that found no room."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.first = events[0]
        self.last = events[-1]
        self.count = len(events)

    def extend(self, events: Sequence[Event]) -> None:
        """Add the events that follow."""
        self.last = events[-1]
        self.count += len(events)


class _FlushRequest(NamedTuple):
    """A request to flush, due when `after` items have left the queue."""

    after: int
    done: Wakeup


class Threaded:
    """Writes to `sink` on a background thread, so that a slow sink delays nothing else.

    A sink that raises there must be guarded (the pipeline wraps it in a `GuardedSink` first); an
    error that gets through is raised by the next call of `write`, `flush` or `close`.

    Args:
        sink: Any sink. If it has an attribute `flush_every_s`, it is flushed that often.
        size: Maximum number of events in the queue, without the batch that is being written.
        when_full: What `write` does when it is full.
        name: Name for the thread.
        on_drop: Called with (count, reason) when events are dropped.
        on_gap: Called when events find no room although `write` waited. When it is their turn, the
            sink's method `skip` is called with the first, the last and their number. None: they are
            dropped.
        max_bytes: Maximum memory of the queue; an empty queue takes any batch.
        block_timeout_s: Maximum time that `write` waits with `block`, in seconds.
        close_timeout_s: Maximum time that `close` waits for the queue, in seconds.
    """

    def __init__(
        self,
        sink: Sink,
        size: int = 65_536,
        when_full: WhenFull = WhenFull.BLOCK,
        *,
        name: str = "sink",
        on_drop: Callable[[int, str], None] | None = None,
        on_gap: Callable[[], None] | None = None,
        max_bytes: int = 64 * 2**20,
        block_timeout_s: float = 1.0,
        close_timeout_s: float = 10.0,
    ) -> None:
        self._sink = sink
        self._size = size
        self._when_full = when_full
        self._on_drop = on_drop or _ignore
        self._on_gap = on_gap
        self._max_bytes = max_bytes
        self._block_timeout_s = block_timeout_s
        self._close_timeout_s = close_timeout_s
        self._queue: deque[_Batch | _Gap] = deque()
        self._waiting = 0  # events in the queue
        self._waiting_bytes = 0
        self._writing = 0  # events of the batch that is being written
        self._gone = 0  # items that left the queue
        self._flush_requests: deque[_FlushRequest] = deque()
        self._stopping = False
        self._stalled = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._thread = start_thread(name, self._run)

    def write(self, events: Sequence[Event], size_bytes: int = 0) -> None:
        """Queue a batch, or apply the policy `when_full`.

        Args:
            events: The batch.
            size_bytes: Approximate memory of the texts and arrays in it.
        """
        self._raise_error()
        batch = _Batch(events, size_bytes)
        with self._changed:
            if self._make_room(batch):
                self._queue.append(batch)
                self._waiting += len(events)
                self._waiting_bytes += batch.size_bytes
            elif self._on_gap is not None and self._when_full is WhenFull.BLOCK:
                self._add_gap(events)
            else:
                self._on_drop(len(events), "queue_full")
            self._changed.notify_all()

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything written so far is flushed; False after `timeout_s`."""
        done = Wakeup()
        with self._changed:
            self._flush_requests.append(_FlushRequest(self._gone + len(self._queue), done))
            self._changed.notify_all()
        return done.wait(timeout_s)

    def flush(self) -> None:
        """Wait until everything written so far is flushed.

        Raises:
            TimeoutError: It took longer than `close_timeout_s`.
        """
        if not self.drain(self._close_timeout_s):
            raise TimeoutError(f"the queue was not written within {self._close_timeout_s} s")
        self._raise_error()

    def close(self) -> None:
        """Write what is queued, close the sink and end the thread.

        Events still queued after `close_timeout_s` are dropped and counted.
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
            left += sum(item.count for item in self._queue if isinstance(item, _Gap))
            self._gone += len(self._queue)
            self._queue.clear()
            self._waiting = self._waiting_bytes = 0
        self._on_drop(left, "shutdown_timeout")

    def _add_gap(self, events: Sequence[Event]) -> None:
        last = self._queue[-1] if self._queue else None
        if isinstance(last, _Gap):
            last.extend(events)
            return
        self._queue.append(_Gap(events))
        if self._on_gap is not None:
            self._on_gap()

    def _make_room(self, batch: _Batch) -> bool:
        if self._has_room(batch):
            return True
        if self._when_full is WhenFull.DROP_OLDEST:
            while not self._has_room(batch):
                oldest = self._take()
                self._on_drop(len(oldest.events) if isinstance(oldest, _Batch) else 0, "queue_full")
            return True
        if self._when_full is WhenFull.BLOCK and not self._stalled:
            # After a wait that timed out, no call waits until something is taken.
            self._stalled = not self._changed.wait_for(
                lambda: self._has_room(batch), self._block_timeout_s
            )
            return not self._stalled
        return False

    def _has_room(self, batch: _Batch) -> bool:
        # An empty queue takes any batch: one larger than the queue would never fit otherwise.
        return not self._queue or (
            self._waiting + len(batch.events) <= self._size
            and self._waiting_bytes + batch.size_bytes <= self._max_bytes
        )

    def _take(self) -> _Batch | _Gap:
        item = self._queue.popleft()
        self._gone += 1
        if isinstance(item, _Batch):
            self._waiting -= len(item.events)
            self._waiting_bytes -= item.size_bytes
        return item

    def _run(self) -> None:
        flush_at_s = self._next_flush_s()
        while True:
            # The interval may have become shorter, as it does during a catch-up.
            flush_at_s = min(flush_at_s, self._next_flush_s())
            item, requests, stopping = self._next(flush_at_s)
            if requests or time.monotonic() >= flush_at_s:
                self._call(self._sink.flush)
                flush_at_s = self._next_flush_s()
            for request in requests:
                request.done.set()
            if isinstance(item, _Batch):
                self._call(self._sink.write, item.events)
            elif item is not None:
                skip: Any = self._sink.skip  # type: ignore[attr-defined]
                self._call(skip, item.first, item.last, item.count)
            if stopping:
                self._call(self._sink.close)
                return

    def _next_flush_s(self) -> float:
        interval_s: float | None = getattr(self._sink, "flush_every_s", None)
        return math.inf if interval_s is None else time.monotonic() + interval_s

    def _next(self, flush_at_s: float) -> tuple[_Batch | _Gap | None, list[_FlushRequest], bool]:
        """Wait for an item, a request to flush, the end, or the time of the next flush.

        A request is due when what was queued before it is written.
        """
        with self._changed:
            self._writing = 0
            wait_s = None if flush_at_s == math.inf else max(0.0, flush_at_s - time.monotonic())
            self._changed.wait_for(
                lambda: bool(self._queue or self._flush_requests or self._stopping), wait_s
            )
            due = []
            while self._flush_requests and self._flush_requests[0].after <= self._gone:
                due.append(self._flush_requests.popleft())
            if not self._queue:
                return None, due, self._stopping
            item = self._take()
            self._writing = len(item.events) if isinstance(item, _Batch) else item.count
            self._stalled = False
            self._changed.notify_all()
            return item, due, False

    def _call(self, call: Callable[..., None], *args: Any) -> None:
        result = call_guarded(call, *args)
        if isinstance(result, Failure):
            self._error = result.error

    def _raise_error(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error


def _ignore(_count: int, _reason: str) -> None:
    pass
