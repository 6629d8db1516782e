"""The worker of a process whose pipeline is elsewhere: from the buffer to the pipe."""

from __future__ import annotations

import pickle
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from logflume.guard import Failure, call_guarded, describe
from logflume.logger.channels import CHANNELS
from logflume.pipeline.buffer import Buffer
from logflume.pipeline.faults import report_fault
from logflume.pipeline.records import Deferred, Item, Lost, Record, events_in
from logflume.resources import torch_memory
from logflume.worker_process.wire import (
    PARCELS,
    Connection,
    EventBatch,
    Request,
    RunOpening,
    TorchMemory,
    decode,
    encode,
    mentions_main,
)

__all__ = ["Sender"]

PARCEL = 256
"""Items sent at once. Encoding them holds Python's lock in one piece."""

TORCH_INTERVAL_S = 2.0
"""How often the child is told what torch's allocator says, in seconds."""


class Sender:
    """Sends what the buffer holds, when the child asks for it or somebody rings `buffer.wake`.

    The one is heard by the thread that listens to the child, for the other there is a thread here.

    Args:
        buffer: Where the items come from.
        link: The pipe.

    Attributes:
        sent: Events sent.
        unwritten: The parcels that the child has not written yet, the oldest first: how many events
            each has, and its bytes.
    """

    def __init__(self, buffer: Buffer, link: Connection) -> None:
        self.sent = 0
        self.unwritten: deque[tuple[int, bytes]] = deque()
        self._buffer = buffer
        self._link = link
        self._lock = threading.Lock()
        self._taken = 0
        self._asked: deque[Request] = deque()
        self._asks: deque[tuple[int, Request]] = deque()
        self._has_ended = False
        self._has_bug = False
        self._torch_at_s = 0.0
        self._thread: threading.Thread | None = None

    def start(self, opening: Callable[[], dict[str, Any]]) -> None:
        """Start the thread; `opening` gives the fields of `run_started`, and runs on it."""
        self._thread = threading.Thread(
            target=self._run, args=(opening,), name="logflume-worker", daemon=True
        )
        self._lock.acquire()
        self._thread.start()

    def ask(self, ask: Request) -> None:
        """Send a request behind all that the buffer holds now. After `close` nothing is sent."""
        self._asked.append(ask)
        self._buffer.wake.set()

    def turn(self) -> None:
        """Send what the buffer holds, as far as the child has room, and what is asked for."""
        with self._lock:
            result = None if self._has_ended else call_guarded(self._turn)
            # Whoever reads from a child that has ended knows what to do.
            if isinstance(result, Failure) and not isinstance(result.error, OSError):
                self._report_bug(result)

    def stop(self) -> None:
        """Wait until the thread is done with a child that has ended."""
        self._has_ended = True
        self._buffer.wake.set()
        if self._thread is not None:
            self._thread.join()

    def unwritten_items(self) -> list[Item]:
        """Return what the child has not written, in order."""
        return [item for _, parcel in self.unwritten for item in decode(parcel).items]

    def unwritten_events(self) -> int:
        """Return how many events the child has not written."""
        return sum(events for events, _ in self.unwritten)

    def _run(self, opening: Callable[[], dict[str, Any]]) -> None:
        # Nothing may be sent before this: `start` has taken the lock.
        call_guarded(self._open, opening)
        self._lock.release()
        while not self._has_ended:
            self.turn()
            self._buffer.wake.wait()

    def _open(self, opening: Callable[[], dict[str, Any]]) -> None:
        fields = call_guarded(opening)
        if isinstance(fields, Failure):
            self._report_bug(fields)
            fields = {}
        self._link.send(RunOpening(fields))

    def _turn(self) -> None:
        self._send_torch_memory()
        behind = self._taken + len(self._buffer)
        self._asks.extend((behind, self._asked.popleft()) for _ in range(len(self._asked)))
        while len(self.unwritten) < PARCELS and (items := self._buffer.take(PARCEL)):
            self._taken += len(items)
            self._send(items)
            self._send_asks()
        self._send_asks()

    def _send_asks(self) -> None:
        """Send the requests that nothing is in front of any more."""
        while self._asks and (self._asks[0][0] <= self._taken or not len(self._buffer)):
            _, ask = self._asks.popleft()
            self._link.send(ask)
            self._has_ended = self._has_ended or ask.what == "close"

    def _send(self, items: list[Item]) -> None:
        encoded = call_guarded(_encode, items)
        # The training's script is `__main__` here, and nothing that the child could import.
        if isinstance(encoded, Failure) or mentions_main(encoded):
            items = [one for item in items for one in _picklable(item)]
            encoded = _encode(items)
        events = events_in(*items)
        self.sent += events
        self.unwritten.append((events, encoded))
        self._link.send_bytes(encoded)

    def _report_bug(self, failure: Failure) -> None:
        if not self._has_bug:
            self._has_bug = True
            report_fault(CHANNELS, "worker", "failed", describe(failure.error))

    def _send_torch_memory(self) -> None:
        now_s = time.monotonic()
        if now_s - self._torch_at_s >= TORCH_INTERVAL_S:
            self._torch_at_s = now_s
            fields = call_guarded(torch_memory)
            if not isinstance(fields, Failure) and fields:
                self._link.send(TorchMemory(fields))


def _encode(items: list[Item]) -> bytes:
    return encode(EventBatch(items, CHANNELS.position))


def _picklable(item: Item) -> list[Item]:
    """Return an item as what can be pickled: its events, made here; else the gap that it leaves."""
    events: list[Record] | list[Item] | Failure = [item]
    if isinstance(item, Deferred):
        events = call_guarded(item.records)
    if isinstance(events, Failure):
        return [Lost(events_in(item))]
    return [
        one if not isinstance(call_guarded(pickle.dumps, one), Failure) else Lost(1)
        for one in events
    ]
