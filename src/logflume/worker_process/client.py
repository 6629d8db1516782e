"""The pipeline as the training's process has it while the real one is in a child process."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Literal

from logflume.guard import Failure, call_guarded
from logflume.logger.channels import CHANNELS
from logflume.pipeline.pipeline import Report, Status
from logflume.terminal.progress_bars import print_above_bars
from logflume.worker_process.sender import Sender
from logflume.worker_process.spawn import Child
from logflume.worker_process.wire import Notification, Request, Start

__all__ = ["RemotePipeline"]

START_TIMEOUT_S = 60.0
"""How long the child may take to import what it needs: on a shared disk that can be slow."""

STATUS_TIMEOUT_S = 2.0
"""How long the counts are waited for; after that the last ones are given."""

END_TIMEOUT_S = 1.0
"""How much later than asked the child may answer, and how long it may live on after that."""


class RemotePipeline:
    """Does what a `Pipeline` does, by a child process.

    Args:
        child: The process.
        start: What it builds.
        opening: Returns the fields of `run_started`. It may take its time: the sender calls it.
        on_death: Called, on a thread of ours, when the child ends and nobody asked it to.

    Raises:
        ConfigError, RunError: What building the pipeline here would have raised.
        ChildProcessError: The child can't run.
    """

    def __init__(
        self,
        child: Child,
        start: Start,
        opening: Callable[[], dict[str, Any]],
        on_death: Callable[[RemotePipeline], None],
    ) -> None:
        self._child = child
        self._state = start.state
        self._opening = opening
        self._on_death = on_death
        self._sender = Sender(CHANNELS.buffer, child.link)
        self._listener = threading.Thread(target=self._listen, name="logflume-answers", daemon=True)
        self._answers: dict[int, Any] = {}
        self._asked = 0
        self._closing: int | None = None
        self._has_ended = False
        self._status = Status()
        with ExitStack() as undo:
            undo.callback(self.discard)
            self._await_ready(start)
            undo.pop_all()

    def start(self) -> None:
        """Let the child start its pipeline, and send it what the buffer holds."""
        CHANNELS.buffer.filled = self._child.filled.byte
        self._sender.start(self._opening)
        self._listener.start()

    def flush(self, timeout_s: float) -> bool:
        """Do what `Pipeline.flush` does."""
        return self._wait(self._ask("flush", timeout_s), timeout_s) is True

    def close(self, ending: dict[str, Any], timeout_s: float) -> bool:
        """Do what `Pipeline.close` does, and end the child.

        A child that isn't done a second after the time-out is killed; what it has not written is
        counted as dropped.
        """
        # A signal handler may call this while it runs: both wait for the same answer.
        if self._closing is None:
            self._closing = self._ask("close", timeout_s, ending)
        answer = self._wait(self._closing, timeout_s + END_TIMEOUT_S)
        self._end(END_TIMEOUT_S if answer is not None else 0.0)
        if answer is None:
            self._status.report = self._sender_report()
            return False
        done, self._status = answer
        return bool(done)

    def discard(self) -> None:
        """End a child whose pipeline was never started."""
        self._child.link.close()
        self._child.end(END_TIMEOUT_S)

    def status(self) -> Status:
        """Return the counts up to now, or the last that could be had."""
        if self._closing is None and not self._has_ended:
            answer = self._wait(self._ask("status"), STATUS_TIMEOUT_S)
            self._status = self._status if answer is None else answer
        return self._status

    def take_back(self) -> None:
        """Let a child that has ended go; put what it had not written back into the buffer."""
        self._end(0.0)
        CHANNELS.buffer.put_back(self._sender.unwritten_items())

    def _await_ready(self, start: Start) -> None:
        link = self._child.link
        heard: Any = call_guarded(link.send, start)
        while not isinstance(heard, Failure) and not (heard and heard.is_built):
            is_there = link.is_heard_from(START_TIMEOUT_S)
            heard = call_guarded(self._hear) if is_there else Failure(TimeoutError())
            if isinstance(heard, Notification) and heard.refused is not None:
                raise heard.refused
        if isinstance(heard, Failure):
            # The pipe may tell that it has ended before the system does.
            status = call_guarded(self._child.process.wait, END_TIMEOUT_S)
            has_ended = not isinstance(status, Failure)
            why = f"it ended with status {status}" if has_ended else "it gave no sign of life"
            raise ChildProcessError(f"the process for processors and sinks can't run: {why}")

    def _ask(
        self,
        what: Literal["flush", "status", "close"],
        timeout_s: float = 0.0,
        ending: dict[str, Any] | None = None,
    ) -> int:
        self._asked += 1
        self._sender.ask(Request(self._asked, what, timeout_s, ending or {}))
        return self._asked

    def _wait(self, number: int, timeout_s: float) -> Any:
        """Return the answer to a request; None if it doesn't come in time."""
        CHANNELS.buffer.wait_for(lambda: number in self._answers or self._has_ended, timeout_s)
        return self._answers.get(number)

    def _sender_report(self) -> Report:
        """Return the counts as this side knows them."""
        dropped = self._sender.unwritten_events()
        written = self._sender.sent - dropped
        return Report(accepted=self._sender.sent, written=written, dropped=dropped)

    def _listen(self) -> None:
        while not isinstance(call_guarded(self._hear), Failure):
            self._sender.turn()
        self._has_ended = True
        CHANNELS.buffer.announce()
        if self._closing is None:
            self._on_death(self)

    def _hear(self) -> Notification | None:
        """Wait for a message, and take in what news it has.

        Raises:
            EOFError, OSError: The child has ended.
        """
        news: Notification | None = self._child.link.receive()
        if news is None:
            return None
        for _ in range(news.written):
            self._sender.unwritten.popleft()
        if news.kinds is not None:
            self._state.kinds = news.kinds
        if news.text:
            # A terminal that is gone is the console's loss; the files are with the child.
            call_guarded(print_above_bars, sys.stderr, news.text)
        if news.answers:
            self._answers |= news.answers
            CHANNELS.buffer.announce()
        return news

    def _end(self, timeout_s: float) -> None:
        self._child.end(timeout_s)
        self._sender.stop()
        is_listener = threading.current_thread() is self._listener
        if not is_listener:
            self._listener.join(END_TIMEOUT_S)
        if is_listener or not self._listener.is_alive():
            self._child.link.close()
