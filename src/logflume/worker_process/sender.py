"""The thread of the training process that sends records and requests to the worker process."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from logflume.guard import Failure, call_guarded, describe
from logflume.logger.channels import CHANNELS
from logflume.pipeline.buffer import Buffer
from logflume.pipeline.faults import report_fault
from logflume.pipeline.records import BufferItem, Dropped, RecordColumns, count_records
from logflume.pipeline.worker import UNREADABLE
from logflume.resources import torch_memory
from logflume.threads import start_thread
from logflume.values.plain import to_plain
from logflume.worker_process.wire import (
    Connection,
    Message,
    count_packed,
    decode,
    encode,
    pack,
    unpack,
)

__all__ = ["MAX_UNWRITTEN_BYTES", "Sender"]

BATCH_RECORDS = 256
"""Maximum number of records sent at once: encoding them holds the interpreter's lock throughout."""

BATCH_BYTES = 2**20
"""Maximum memory of their texts and arrays."""

MAX_UNWRITTEN_BATCHES = 32
MAX_UNWRITTEN_BYTES = 16 * 2**20
"""Limits of what the worker process holds unwritten; the rest waits in the buffer."""

TORCH_INTERVAL_S = 2.0
"""How often the readings of torch's allocator are sent, in seconds."""


class Sender:
    """Sends what the buffer holds at least every `flush_interval_s`, and immediately when woken.

    A batch is kept until the worker process has written it; if that process is killed, the training
    process writes the rest.

    Args:
        buffer: The source of the records.
        connection: The pipes.
        flush_interval_s: Maximum time that a record waits for its turn, in seconds.

    Attributes:
        sent: Number of records sent.
        unwritten_seq: The first `seq` that events of unwritten batches can have.
    """

    def __init__(self, buffer: Buffer, connection: Connection, flush_interval_s: float) -> None:
        self.sent = 0
        self.unwritten_seq = 0
        self._buffer = buffer
        self._connection = connection
        self._interval_s = flush_interval_s
        self._taken = 0
        self._unwritten: deque[bytes] = deque()
        self._unwritten_bytes = 0
        self._unwritten_lock = threading.Lock()
        self._is_waiting_for_room = False
        self._requested: deque[Message] = deque()
        self._requests: deque[tuple[int, Message]] = deque()
        self._has_ended = False
        self._has_bug = False
        self._torch_at_s = 0.0
        self._thread: threading.Thread | None = None

    def start(self, opening: Callable[[], dict[str, Any]]) -> None:
        """Start the thread; `opening` returns the fields of `run_started`, and runs on it."""
        self._thread = start_thread("sender", partial(self._run, opening))

    def request(self, *message: Any) -> None:
        """Send a request after everything now in the buffer. Nothing is sent after `close`."""
        self._requested.append(message)
        self._buffer.wake.set()

    def note_written(self, batches: int, seq: int) -> None:
        """Note that the oldest batches were written; `seq` is that of the next event."""
        self.unwritten_seq = seq
        with self._unwritten_lock:
            for _ in range(batches):
                self._unwritten_bytes -= len(self._unwritten.popleft())
        if self._is_waiting_for_room:
            self._buffer.wake.set()

    def stop(self) -> None:
        """Stop sending, and wait for the thread; the worker process has ended."""
        self._has_ended = True
        self._buffer.wake.set()
        if self._thread is not None:
            self._thread.join()

    def unwritten_items(self) -> list[RecordColumns | Dropped]:
        """Return what the worker process has not written, in order."""
        return [item for batch in self._unwritten for item in unpack(decode(batch)[1])]

    def _run(self, opening: Callable[[], dict[str, Any]]) -> None:
        self._guarded(lambda: self._open(opening))
        while not self._has_ended:
            self._guarded(self._send_all)
            self._buffer.wake.wait(self._interval_s)

    def _guarded(self, call: Callable[[], None]) -> None:
        """Continue after an error; the receiver handles the end of the worker process."""
        result = call_guarded(call)
        if isinstance(result, Failure) and not isinstance(result.error, OSError):
            self._report_bug(result)

    def _open(self, opening: Callable[[], dict[str, Any]]) -> None:
        fields = call_guarded(opening)
        if isinstance(fields, Failure):
            self._report_bug(fields)
            fields = {}
        self._connection.send(("open", to_plain(fields)))

    def _send_all(self) -> None:
        """Send what the buffer holds and the worker process has room for, and the requests."""
        self._send_torch_memory()
        behind = self._taken + len(self._buffer)
        while self._requested:
            self._requests.append((behind, self._requested.popleft()))
        while self._has_room() and (items := self._buffer.take(BATCH_RECORDS, BATCH_BYTES)):
            self._taken += len(items)
            self._send(items)
            self._send_requests()
        self._send_requests()

    def _has_room(self) -> bool:
        has_room = (
            len(self._unwritten) < MAX_UNWRITTEN_BATCHES
            and self._unwritten_bytes < MAX_UNWRITTEN_BYTES
        )
        self._is_waiting_for_room = not has_room
        return has_room

    def _send(self, items: list[BufferItem]) -> None:
        packed = call_guarded(pack, items)
        if isinstance(packed, Failure):
            self._report_bug(packed)
            packed = [("dropped", count_records(items), UNREADABLE)]
        step_and_mode = to_plain(CHANNELS.step_and_mode)
        encoded = encode(("records", packed, step_and_mode, CHANNELS.total_steps))
        self.sent += count_packed(packed)
        with self._unwritten_lock:
            self._unwritten.append(encoded)
            self._unwritten_bytes += len(encoded)
        self._connection.send_encoded(encoded)

    def _send_requests(self) -> None:
        """Send the requests whose preceding records have been sent."""
        while self._requests and (self._requests[0][0] <= self._taken or not len(self._buffer)):
            _, request = self._requests.popleft()
            self._connection.send(request)
            self._has_ended = self._has_ended or request[0] == "close"

    def _send_torch_memory(self) -> None:
        now_s = time.monotonic()
        if now_s - self._torch_at_s >= TORCH_INTERVAL_S:
            self._torch_at_s = now_s
            fields = call_guarded(torch_memory)
            if not isinstance(fields, Failure) and fields:
                self._connection.send(("torch_memory", to_plain(fields)))

    def _report_bug(self, failure: Failure) -> None:
        if not self._has_bug:
            self._has_bug = True
            report_fault(CHANNELS, "worker", "failed", describe(failure.error))
