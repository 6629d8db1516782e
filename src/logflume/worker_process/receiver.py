"""The thread of the training process that receives messages from the worker process."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from logflume.guard import Failure, call_guarded
from logflume.logger.channels import CHANNELS
from logflume.terminal.streams import print_above_bars
from logflume.threads import start_thread
from logflume.worker_process.wire import Connection, Message

__all__ = ["Receiver"]


class Receiver:
    """Receives messages until the worker process ends.

    Args:
        connection: The pipes.
        note_written: Called with the number of batches, oldest first, that were written, and the
            next `seq`.
        note_kinds: Called with the kinds of undeclared fields, by event type.
        on_end: Called on the thread when the worker process has ended.

    Attributes:
        has_ended: Whether the worker process has ended.
    """

    def __init__(
        self,
        connection: Connection,
        note_written: Callable[[int, int], None],
        note_kinds: Callable[[Mapping[str, Mapping[str, str]]], None],
        on_end: Callable[[], None],
    ) -> None:
        self.has_ended = False
        self._connection = connection
        self._note_written = note_written
        self._note_kinds = note_kinds
        self._on_end = on_end
        self._answers: dict[int, Any] = {}
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = start_thread("receiver", self._run)

    def wait_for_answer(self, number: int, timeout_s: float) -> Any:
        """Return the answer to a request; None if it doesn't arrive in time."""
        CHANNELS.buffer.wait_for(lambda: number in self._answers or self.has_ended, timeout_s)
        return self._answers.get(number)

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread to end, unless it is the caller's; False if it is still running."""
        if self._thread is None or threading.current_thread() is self._thread:
            return True
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not isinstance(message := call_guarded(self._connection.receive), Failure):
            self._handle(message)
        self.has_ended = True
        CHANNELS.buffer.announce()
        self._on_end()

    def _handle(self, message: Message) -> None:
        match message:
            case ("written", batches, seq):
                self._note_written(batches, seq)
            case ("kinds", kinds):
                self._note_kinds(kinds)
            case ("text", text):
                # A closed terminal only costs console text: the worker process writes the files.
                call_guarded(print_above_bars, sys.stderr, text)
            case ("answer", number, value):
                self._answers[number] = value
                CHANNELS.buffer.announce()
