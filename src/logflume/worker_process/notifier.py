"""The thread of the worker process that sends messages to the training process."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Mapping
from typing import Any

from logflume.guard import call_guarded
from logflume.pipeline.buffer import Wakeup
from logflume.threads import start_thread
from logflume.values.kinds import Kind
from logflume.worker_process.sender import MAX_UNWRITTEN_BYTES
from logflume.worker_process.wire import Connection, Message

__all__ = ["Notifier", "RemoteStderr"]

DELAY_S = 0.2
"""Maximum time that a message is held back to be sent together with others, in seconds."""

_STDERR = 2
"""The descriptor of standard error, which this process has inherited."""

URGENT_BYTES = MAX_UNWRITTEN_BYTES // 4
"""Written batches of this size in total are acknowledged at once, to make room for others."""


class Notifier:
    """Sends messages, several together if they can wait.

    Each message makes the training process switch threads at an arbitrary moment.

    Args:
        connection: The pipes.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._written = self._written_bytes = self._seq = 0
        self._kinds: dict[str, dict[str, str]] | None = None
        self._text: list[str] = []
        self._answers: list[Message] = []
        self._is_urgent = False
        self._has_ended = False
        self._wakeup = Wakeup()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = start_thread("notifier", self._run)

    def note_written(self, size_bytes: int, seq: int) -> None:
        """Acknowledge one more batch; `seq` is that of the next event."""
        with self._lock:
            self._written += 1
            self._seq = seq
            self._written_bytes += size_bytes
            is_urgent = self._written_bytes >= URGENT_BYTES
        self._wake(urgent=is_urgent)

    def note_kinds(self, kinds: Mapping[str, Mapping[str, Kind]]) -> None:
        """Send the kinds of undeclared fields, including earlier ones."""
        with self._lock:
            self._kinds = {t: {n: k.value for n, k in of.items()} for t, of in kinds.items()}
        self._wake()

    def print_text(self, text: str) -> None:
        """Make the training process print a text on its standard error."""
        with self._lock:
            self._text.append(text)
        self._wake()

    def answer(self, number: int, value: Any) -> None:
        """Answer a request, after everything noted before."""
        with self._lock:
            self._answers.append(("answer", number, value))
        self._wake(urgent=True)

    def stop(self) -> None:
        """Send the remaining messages, and end the thread."""
        self._has_ended = True
        self._wakeup.set()
        if self._thread is not None:
            self._thread.join()

    def _wake(self, *, urgent: bool = False) -> None:
        self._is_urgent |= urgent
        self._wakeup.set()

    def _run(self) -> None:
        while not self._has_ended:
            self._wakeup.wait()
            until_s = time.monotonic() + DELAY_S
            while not (self._is_urgent or self._has_ended):
                remaining_s = until_s - time.monotonic()
                if remaining_s <= 0 or not self._wakeup.wait(remaining_s):
                    break
            self._send()
        self._send()

    def _send(self) -> None:
        with self._lock:
            messages: list[Message] = []
            if self._text:
                messages.append(("text", "".join(self._text)))
            if self._kinds is not None:
                messages.append(("kinds", self._kinds))
            if self._written:
                messages.append(("written", self._written, self._seq))
            messages += self._answers
            self._written = self._written_bytes = 0
            self._kinds = None
            self._text, self._answers = [], []
            self._is_urgent = False
        if messages:
            # If this fails, the training process has ended and needs no messages.
            call_guarded(self._connection.send, *messages)


class RemoteStderr(io.TextIOBase):
    """The standard error of the worker process, which the training process prints.

    Only the training process knows about progress bars.

    Args:
        notifier: Sends the text.
        columns: Width, in cells, of the terminal that shows the text; None if no terminal does.
    """

    def __init__(self, notifier: Notifier, *, columns: int | None) -> None:
        self._notifier = notifier
        self._columns = columns
        self._is_inherited = columns is not None and _inherited_columns() == columns

    @property
    def columns(self) -> int | None:
        """The width of the terminal: the current one if this process has inherited the terminal."""
        return _inherited_columns() or self._columns if self._is_inherited else self._columns

    def write(self, text: str) -> int:
        """Send a text, possibly together with later ones."""
        self._notifier.print_text(str.__str__(text))
        return len(text)

    def isatty(self) -> bool:
        """Whether a terminal shows the text."""
        return self._columns is not None


def _inherited_columns() -> int | None:
    try:
        return os.get_terminal_size(_STDERR).columns
    except OSError:
        return None
