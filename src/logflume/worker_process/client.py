"""The training process's handle on a pipeline in a worker process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import msgspec

from logflume import exceptions
from logflume.config.model import Config
from logflume.guard import Failure, call_guarded
from logflume.logger.channels import CHANNELS
from logflume.pipeline.pipeline import Report, Status
from logflume.pipeline.records import (
    BufferItem,
    Dropped,
    RecordColumns,
    count_by_reason,
    count_records,
)
from logflume.pipeline.worker import SHUTDOWN_TIMEOUT
from logflume.runs.info import RunInfo
from logflume.runs.state import RunState
from logflume.values.plain import to_plain
from logflume.worker_process.receiver import Receiver
from logflume.worker_process.sender import Sender
from logflume.worker_process.spawn import WorkerChild
from logflume.worker_process.wire import Message

__all__ = ["RemotePipeline", "start_message"]

START_TIMEOUT_S = 60.0
"""How long the worker process may take to import its modules, which is slow on a shared disk."""

STATUS_TIMEOUT_S = 2.0
"""How long to wait for the status; after that the last known one is returned."""

END_TIMEOUT_S = 1.0
"""How much later than requested an answer may arrive, and how long the process may live after
that."""


def start_message(
    config: Config, run: RunInfo, state: RunState, process_id: int, columns: int | None
) -> Message:
    """Return the message `start`, which describes the pipeline to build.

    Args:
        config: The checked configuration; its components are named, not objects.
        run: The run.
        state: The run state.
        process_id: The training process.
        columns: Width, in cells, of the terminal that shows the training's standard error; None if
            no terminal does.
    """
    built = (msgspec.to_builtins(value, enc_hook=str) for value in (config, run, state))
    return ("start", *map(to_plain, built), process_id, columns)


class RemotePipeline:
    """A `Pipeline` that runs in a worker process.

    Args:
        child: The process.
        start: The message from `start_message`.
        flush_interval_s: Maximum time that a record waits to be sent, in seconds.
        opening: Returns the fields of `run_started`. It may be slow: the sender's thread calls it.
        note_kinds: Called with the kinds of undeclared fields when there are new ones.
        on_death: Called, on a thread of this package, when the process ends on its own.

    Attributes:
        has_died: Whether the process ended on its own while it was being closed.

    Raises:
        ConfigError, RunError: The worker process raised this when it built the pipeline.
        ChildProcessError: The process can't run.
    """

    def __init__(
        self,
        child: WorkerChild,
        start: Message,
        flush_interval_s: float,
        opening: Callable[[], dict[str, Any]],
        note_kinds: Callable[[Mapping[str, Mapping[str, str]]], None],
        on_death: Callable[[RemotePipeline], None],
    ) -> None:
        self._child = child
        self._opening = opening
        self._on_death = on_death
        self._sender = Sender(CHANNELS.buffer, child.connection, flush_interval_s)
        self._receiver = Receiver(
            child.connection, self._sender.note_written, note_kinds, self._note_end
        )
        self._requests = 0
        self._closing: int | None = None
        self._unsent: Counter[str] = Counter()
        self.has_died = False
        self._status = Status()
        with ExitStack() as undo:
            undo.callback(self.discard)
            self._build(start)
            undo.pop_all()

    def start(self) -> None:
        """Make the worker process start its pipeline, and send it what the buffer holds."""
        self._receiver.start()
        self._sender.start(self._opening)

    def flush(self, timeout_s: float) -> bool:
        """Flush the pipeline; see `Pipeline.flush`."""
        number = self._request("flush", timeout_s)
        return self._receiver.wait_for_answer(number, timeout_s) is True

    def close(self, ending: dict[str, Any], timeout_s: float) -> bool:
        """Close the pipeline, see `Pipeline.close`, and end the process.

        A process that isn't done a second after the time-out is killed. `take_back` then returns
        what it has not written.
        """
        # A signal handler may call this while it runs: both wait for the same answer.
        if self._closing is None:
            self._closing = self._request("close", timeout_s, to_plain(ending))
        answer = self._receiver.wait_for_answer(self._closing, timeout_s + END_TIMEOUT_S)
        if answer is None:
            self.has_died = self._receiver.has_ended
            self.give_up()
            return False
        self._end(END_TIMEOUT_S)
        done, status = answer
        self._status = msgspec.convert(status, Status)
        return bool(done)

    def give_up(self) -> None:
        """Kill the process."""
        self._end(0.0)

    def when_ended(self, call: Callable[[], None]) -> None:
        """Call `call` immediately: after `close`, the pipeline writes nothing."""
        call()

    def discard(self) -> None:
        """End a process whose pipeline was never started."""
        self._end(0.0)

    def status(self) -> Status:
        """Return the state up to now, or the last known one."""
        if self._closing is None and not self._receiver.has_ended:
            answer = self._receiver.wait_for_answer(self._request("status"), STATUS_TIMEOUT_S)
            self._status = self._status if answer is None else msgspec.convert(answer, Status)
        return self._status

    def take_back(self) -> tuple[list[RecordColumns | Dropped], int]:
        """Release a process that has ended.

        Returns:
            The items that it has not acknowledged, in order, and the first `seq` that their events
            can have in the journal.
        """
        self._end(0.0)
        return self._sender.unwritten_items(), self._sender.unwritten_seq

    def count_dropped(self, unwritten: Sequence[BufferItem], unsent: Sequence[BufferItem]) -> None:
        """Set the counts to what this process knows after the worker process was killed.

        Args:
            unwritten: Records that were sent and not written.
            unsent: Further records that were not sent.
        """
        self._unsent += count_by_reason(unsent, SHUTDOWN_TIMEOUT)
        written = self._sender.sent - count_records(unwritten)
        dropped = count_by_reason(unwritten, SHUTDOWN_TIMEOUT) + self._unsent
        self._status.report = Report(
            accepted=written + dropped.total(),
            written=written,
            dropped=dropped.total(),
            dropped_by_reason=dict(dropped),
        )

    def _build(self, start: Message) -> None:
        connection = self._child.connection
        answer: Message | Failure | None = call_guarded(connection.send, start)
        while not isinstance(answer, Failure):
            if not connection.has_message(START_TIMEOUT_S):
                answer = Failure(TimeoutError())
                break
            answer = call_guarded(connection.receive)
            match answer:
                case ("built",):
                    return
                case ("refused", kind, text):
                    raise getattr(exceptions, kind)(text)
        # The pipe may report the end before the system does.
        status = call_guarded(self._child.process.wait, END_TIMEOUT_S)
        has_ended = not isinstance(status, Failure)
        why = f"it ended with status {status}" if has_ended else "it doesn't answer"
        raise ChildProcessError(f"the worker process can't run: {why}")

    def _request(self, name: str, *arguments: Any) -> int:
        self._requests += 1
        self._sender.request(name, self._requests, *arguments)
        return self._requests

    def _note_end(self) -> None:
        if self._closing is None:
            self._on_death(self)

    def _end(self, timeout_s: float) -> None:
        self._child.end(timeout_s)
        self._sender.stop()
        if self._receiver.join(END_TIMEOUT_S):
            self._child.connection.close()
