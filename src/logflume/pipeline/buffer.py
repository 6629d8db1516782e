"""The bounded buffer between the threads that log and the thread that takes the records."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from math import inf
from queue import Empty, SimpleQueue
from typing import Protocol

from logflume.config.model import WhenFull
from logflume.pipeline.completion_ids import COMPLETION_IDS
from logflume.pipeline.records import (
    BufferItem,
    DeferredRecords,
    Dropped,
    ReceivedBatch,
    Record,
    RecordTuple,
    StepAndMode,
    count_by_reason,
    count_records,
    item_bytes,
)

__all__ = ["Buffer", "RecordSource", "Wakeup"]

BUFFER_FULL = "buffer_full"
"""The reason for dropping records that find no room in time."""


class Wakeup:
    """Wakes the one thread that waits for it.

    The lock of a `threading.Event` is not reentrant: a signal handler that sets the event while the
    interrupted code is in `set` hangs. `SimpleQueue.put` is reentrant.
    """

    __slots__ = ("_requests",)

    def __init__(self) -> None:
        self._requests: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Request a wake-up; several requests before the thread wakes count as one."""
        if self._requests.empty():
            self._requests.put(None)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for a request, and clear it; False after `timeout_s` without one."""
        try:
            self._requests.get(timeout=timeout_s)
        except Empty:
            return False
        return True


class Buffer:
    """Holds records until they are taken.

    It is bounded by the number of records and by the memory of their texts and arrays. While there
    is room, putting a record of numbers takes no lock.

    Args:
        size: Maximum number of records; threads that race may exceed it by a few.
        when_full: What to do when it is full.
        block_timeout_s: Maximum time that a call waits for room, in seconds.
        max_bytes: Maximum memory of texts and arrays. An empty buffer takes any record.

    Attributes:
        wake: Set to wake the thread that takes the records before its next interval.
    """

    def __init__(
        self,
        size: int,
        when_full: WhenFull = WhenFull.DROP_NEWEST,
        block_timeout_s: float = 0.0,
        max_bytes: float = inf,
    ) -> None:
        self._reset()
        self.configure(size, when_full, block_timeout_s, max_bytes)

    def _reset(self) -> None:
        self.wake = Wakeup()
        self._items: deque[BufferItem] = deque()
        self._bytes = 0
        self._room = threading.Condition()
        self._open_gap: Dropped | None = None
        self._stalled = False

    def __len__(self) -> int:
        return len(self._items)

    @property
    def memory_bytes(self) -> int:
        """Approximate memory of the texts and arrays in it."""
        return self._bytes

    def configure(
        self,
        size: int,
        when_full: WhenFull,
        block_timeout_s: float,
        max_bytes: float = inf,
        on_dropped: Callable[[int], None] | None = None,
    ) -> None:
        """Change the limits and the policy, and keep the content.

        Args:
            size: Maximum number of records.
            when_full: What to do when it is full.
            block_timeout_s: Maximum time that a call waits for room, in seconds.
            max_bytes: Maximum memory of texts and arrays.
            on_dropped: Called for each new record that is dropped, with the number of consecutive
                ones.
        """
        self._starter: Callable[[], None] | None = None
        self._on_dropped = on_dropped
        self._consumer_id = 0
        self._size = size
        self._max_bytes = max_bytes
        self._when_full = when_full
        self._block_timeout_s = block_timeout_s

    def reset(self, starter: Callable[[], None]) -> None:
        """Empty the buffer in a forked child: its records belong to the parent.

        The child's first record calls `starter`, which must call `configure`.
        """
        self._reset()
        self._size = 0
        self._starter = starter

    def put(self, record: RecordTuple | Record | DeferredRecords | ReceivedBatch) -> None:
        """Add a record, or apply the policy `when_full`."""
        items = self._items
        if not record[-1] and len(items) < self._size:  # its last item is its size in bytes
            items.append(record)
        else:
            self._put_bounded(record)

    def take(self, most: int, most_bytes: float = inf) -> list[BufferItem]:
        """Remove and return up to `most` records, oldest first. For one thread only.

        Completions get their ids here: in the order of the calls, at no cost to the caller.

        Args:
            most: Maximum number of records.
            most_bytes: Maximum memory of their texts and arrays; the first record may exceed it.
        """
        items = self._items
        taken: list[BufferItem] = []
        taken_bytes = 0
        with self._room:
            self._consumer_id = threading.get_ident()
            while items and len(taken) < most:
                size_bytes = item_bytes(items[0])
                if taken and taken_bytes + size_bytes > most_bytes:
                    break
                taken_bytes += size_bytes
                taken.append(items.popleft())
            if taken:
                # A gap among the taken records has its final count from here on.
                self._open_gap = None
                self._stalled = False
                self._bytes = self._bytes - taken_bytes if items else 0
                self._room.notify_all()
        COMPLETION_IDS.add_to(taken)
        return taken

    def put_back(self, items: Sequence[BufferItem]) -> None:
        """Put taken items back in front of all others, even if there is no room."""
        with self._room:
            self._items.extendleft(reversed(items))
            self._bytes += sum(map(item_bytes, items))

    def clear(self) -> list[BufferItem]:
        """Remove and return all items."""
        with self._room:
            items = list(self._items)
            self._items.clear()
            self._bytes = 0
            self._open_gap = None
            self._room.notify_all()
        return items

    def refuse(self, on_dropped: Callable[[int], None]) -> None:
        """Refuse all further records; `on_dropped` is called with the number refused so far."""
        self._reset()
        self.configure(0, WhenFull.DROP_NEWEST, 0.0, on_dropped=on_dropped)

    def wait_for(self, is_done: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `is_done()`; False after `timeout_s`. `take` and `announce` make it check.

        A signal handler may call this while the interrupted code holds the lock in `put`: waiting
        releases the lock, so that the other threads can continue.
        """
        with self._room:
            return self._room.wait_for(is_done, timeout_s)

    def announce(self) -> None:
        """Make everyone in `wait_for` check again."""
        with self._room:
            self._room.notify_all()

    def _has_room(self, size_bytes: int) -> bool:
        if len(self._items) >= self._size:
            return False
        return not size_bytes or not self._items or self._bytes + size_bytes <= self._max_bytes

    def _put_bounded(self, record: RecordTuple | Record | DeferredRecords | ReceivedBatch) -> None:
        size_bytes = item_bytes(record)
        with self._room:
            if self._starter is not None:
                starter, self._starter = self._starter, None
                starter()
            if not self._has_room(size_bytes):
                if self._when_full is WhenFull.DROP_OLDEST:
                    self._drop_oldest(size_bytes)
                elif self._when_full is not WhenFull.BLOCK or not self._wait_for_room(size_bytes):
                    self._drop_newest(count_records([record]))
                    return
            self._items.append(record)
            self._bytes += size_bytes

    def _wait_for_room(self, size_bytes: int) -> bool:
        # The taking thread would wait for itself. After a wait that timed out, no call waits until
        # something is taken: a sink that hangs costs the training one timeout, not one for each
        # call.
        if self._stalled or self._consumer_id == threading.get_ident():
            return False
        self.wake.set()
        deadline_s = time.monotonic() + self._block_timeout_s
        while not self._has_room(size_bytes):
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0 or self._stalled:
                self._stalled = True
                return False
            self._room.wait(remaining_s)
        return True

    def _drop_newest(self, count: int) -> None:
        gap = self._open_gap
        if gap is None or not self._items or self._items[-1] is not gap:
            gap = self._open_gap = Dropped(0, BUFFER_FULL)
            self._items.append(gap)
        gap.count += count
        if self._on_dropped is not None:
            self._on_dropped(gap.count)

    def _drop_oldest(self, size_bytes: int) -> None:
        dropped: Counter[str] = Counter()
        while self._items and not self._has_room(size_bytes):
            item = self._items.popleft()
            dropped += count_by_reason([item], BUFFER_FULL)
            self._bytes -= item_bytes(item)
        self._items.extendleft(Dropped(count, reason) for reason, count in dropped.items())


class RecordSource(Protocol):
    """The loggers of a process, as its pipeline sees them.

    Attributes:
        buffer: The buffer in which log calls put their records.
        step_and_mode: The current step and mode.
    """

    buffer: Buffer
    step_and_mode: StepAndMode

    def level_of(self, logger: str) -> int:
        """Return the number of the lowest level that a logger logs."""
