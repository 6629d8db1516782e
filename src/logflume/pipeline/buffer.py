"""The bounded buffer between the training threads and the worker."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from mmap import mmap
from queue import Empty, SimpleQueue
from typing import Protocol

from logflume.config.model import WhenFull
from logflume.pipeline.records import (
    Batch,
    Call,
    Deferred,
    Item,
    Lost,
    Position,
    Record,
    events_in,
)

__all__ = ["Buffer", "RecordSource", "Wakeup"]


class Wakeup:
    """Wakes the one thread that waits for it.

    `threading.Event` takes a lock that its owner can't take twice: a signal handler that sets it
    while the thread below is in `set` hangs. `SimpleQueue.put` may interrupt itself.
    """

    __slots__ = ("_rings",)

    def __init__(self) -> None:
        self._rings: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Ring. While nobody has heard it, once is enough."""
        if self._rings.empty():
            self._rings.put(None)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it rings, and silence it; False when `timeout_s` was not enough."""
        try:
            self._rings.get(timeout=timeout_s)
        except Empty:
            return False
        return True


class Buffer:
    """Holds records until the worker takes them. Putting one takes no lock while there is room.

    Args:
        size: Records it holds; a few more may slip in when threads race.
        when_full: What to do when it is full.
        block_timeout_s: The longest that a call waits for room, in seconds.

    Attributes:
        wake: Rung when the worker should look now and not at its next interval.
        filled: Its first byte is set whenever a record comes; another process may read it.
    """

    def __init__(
        self,
        size: int,
        when_full: WhenFull = WhenFull.DROP_NEWEST,
        block_timeout_s: float = 0.0,
    ) -> None:
        self._starter: Callable[[], None] | None = None
        self._clear()
        self.configure(size, when_full, block_timeout_s)

    def __len__(self) -> int:
        return len(self._items)

    def configure(self, size: int, when_full: WhenFull, block_timeout_s: float) -> None:
        """Change size and policy; what is in it stays."""
        self._starter = None
        self._consumer_id = 0
        self.filled: bytearray | mmap = bytearray(1)
        self._size = size
        self._when_full = when_full
        self._block_timeout_s = block_timeout_s

    def reset(self, starter: Callable[[], None]) -> None:
        """Empty it in a forked child, for the records in here are the parent's.

        The first record that the child puts calls `starter`, which has to `configure` it anew.
        """
        self._clear()
        self._size = 0
        self._starter = starter

    def put(self, record: Call | Record | Deferred | Batch) -> None:
        """Add a record, or do what `when_full` says."""
        items = self._items
        if len(items) < self._size:
            items.append(record)
        else:
            self._put_when_full(record)
        self.filled[0] = 1

    def take(self, most: int) -> list[Item]:
        """Remove and return up to `most` records, oldest first. For the worker only."""
        items = self._items
        with self._room:
            self._consumer_id = threading.get_ident()
            taken = [items.popleft() for _ in range(min(most, len(items)))]
            if taken:
                # Whatever `Lost` is in there has its final count from here on.
                self._open_lost = Lost(0)
                self._stalled = False
                self._room.notify_all()
        return taken

    def put_back(self, items: Sequence[Item]) -> None:
        """Put items that were taken back before all others, also where there is no room."""
        self._items.extendleft(reversed(items))
        self.filled[0] = 1

    def wait_for(self, is_done: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for the worker until `is_done()`; False when `timeout_s` was not enough.

        A signal handler may call this while the thread below it is in `put`. What that holds
        is let go for as long as this waits, or else the worker could not get on.
        """
        with self._room:
            return self._room.wait_for(is_done, timeout_s)

    def announce(self) -> None:
        """Let those who `wait_for` something look again."""
        with self._room:
            self._room.notify_all()

    def _clear(self) -> None:
        self.wake = Wakeup()
        self.filled = bytearray(1)
        self._items: deque[Item] = deque()
        self._room = threading.Condition()
        self._open_lost = Lost(0)
        self._stalled = False
        self._consumer_id = 0

    def _put_when_full(self, record: Call | Record | Deferred | Batch) -> None:
        with self._room:
            if self._starter is not None:
                starter, self._starter = self._starter, None
                starter()
            if len(self._items) < self._size:
                # Made just now, by the worker or by the starter.
                self._items.append(record)
            elif self._when_full is WhenFull.BLOCK and self._wait_for_room():
                self._items.append(record)
            elif self._when_full is WhenFull.DROP_OLDEST:
                self._drop_oldest()
                self._items.append(record)
            else:
                self._drop_newest(events_in(record))

    def _wait_for_room(self) -> bool:
        # Waiting in the worker itself would be waiting for nobody. And after one wait in vain
        # nobody waits again until the worker has taken something: a sink that hangs
        # costs the training one timeout, not one a call.
        if self._stalled or self._consumer_id == threading.get_ident():
            return False
        self.wake.set()
        deadline = time.monotonic() + self._block_timeout_s
        while len(self._items) >= self._size:
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0 or self._stalled:
                self._stalled = True
                return False
            self._room.wait(remaining_s)
        return True

    def _drop_newest(self, events: int) -> None:
        if not self._items or self._items[-1] is not self._open_lost:
            self._open_lost = Lost(0)
            self._items.append(self._open_lost)
        self._open_lost.count += events

    def _drop_oldest(self) -> None:
        lost = Lost(0)
        has_room = False
        while self._items and not has_room:
            item = self._items.popleft()
            has_room = not isinstance(item, Lost)
            lost.count += events_in(item)
        self._items.appendleft(lost)


class RecordSource(Protocol):
    """What a pipeline knows of the loggers that feed it.

    Attributes:
        buffer: Where log calls put their records.
        position: The step and mode that calls are stamped with at the moment.
    """

    buffer: Buffer
    position: Position

    def level_of(self, logger: str) -> int:
        """Return the number of the lowest level that a logger logs."""
