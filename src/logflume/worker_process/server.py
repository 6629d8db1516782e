"""The worker process: a pipeline that is fed through a pipe."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from logflume.config.model import Config
from logflume.exceptions import ConfigError, RunError
from logflume.guard import Failure, call_guarded, describe, leave_without_memory
from logflume.logger.channels import CHANNELS, configure_channels
from logflume.pipeline.build import KindStore, build_pipeline
from logflume.pipeline.records import ReceivedBatch
from logflume.resources import note_torch_memory, watch_process
from logflume.runs.info import RunInfo
from logflume.runs.state import RunState
from logflume.threads import start_thread
from logflume.values.kinds import Kind
from logflume.worker_process.notifier import Notifier, RemoteStderr
from logflume.worker_process.wire import Connection, Message, unpack

__all__ = ["main"]

SWITCH_INTERVAL_S = 0.02
"""How long a thread keeps the interpreter's lock while others wait for it: 4 times the default."""

GC_THRESHOLD = 20_000
"""New containers after which the garbage collector runs, thirty times the default: there are hardly
any cycles here."""

PARENT_CHECK_S = 2.0
"""How often to check that the training process lives, in case the pipe doesn't report its end."""

ORPHAN_MARGIN_S = 5.0
"""How long this process lives beyond `shutdown_timeout_s` after the training process has ended."""


def main(incoming: int, outgoing: int) -> None:
    """Serve a training process until it closes the run or ends.

    Args:
        incoming: Descriptor of the pipe from the training process.
        outgoing: Descriptor of the pipe to it.
    """
    # This process ends after the training process, once everything is written.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    _yield_to_training()
    connection = Connection(incoming, outgoing)
    notifier = Notifier(connection)
    start = call_guarded(connection.receive)
    if isinstance(start, Failure):
        os._exit(1)
    call_guarded(_watch_training, start)
    server = call_guarded(Server, start, connection, notifier)
    _relax()
    if isinstance(server, Failure):
        kind = type(server.error).__name__
        is_known = isinstance(server.error, (ConfigError, RunError))
        answer = (kind, str(server.error)) if is_known else ("RunError", describe(server.error))
        call_guarded(connection.send, ("refused", *answer))
    else:
        notifier.start()
        call_guarded(connection.send, ("built",))
        leave_without_memory(_leave)
        server.serve()
        notifier.stop()
    # Skip interpreter finalization; nothing here needs it.
    os._exit(0)


def _leave() -> None:
    """End this process, so that the training process takes over."""
    os._exit(1)


def _watch_training(start: Message) -> None:
    """End this process some time after the training process, whatever it is doing.

    A sink may hang on a disk or a mount, even while it is being built.
    """
    _, config, _, _, process_id, _ = start
    timeout_s = config["shutdown_timeout_s"] + ORPHAN_MARGIN_S

    def watch() -> None:
        while os.getppid() == process_id:
            time.sleep(PARENT_CHECK_S)
        time.sleep(timeout_s)
        os._exit(1)

    start_thread("watchdog", watch)


def _yield_to_training() -> None:
    """Never preempt a running thread: on Linux, that would interrupt it for 3 ms."""
    if hasattr(os, "SCHED_BATCH"):
        with suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _relax() -> None:
    """Trade responsiveness for throughput: nothing here waits for a thread or for memory."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


class Server:
    """Handles the messages of the training process.

    Args:
        start: The message `start`: what to build.
        connection: The pipes.
        notifier: Sends messages to the training process.

    Raises:
        ConfigError, RunError: The pipeline can't be built.
    """

    def __init__(self, start: Message, connection: Connection, notifier: Notifier) -> None:
        _, config, run, state, process_id, columns = start
        self._config = msgspec.convert(config, Config)
        self._state = msgspec.convert(state, RunState)
        self._process_id = process_id
        self._connection = connection
        self._notifier = notifier
        self._opening: dict[str, Any] = {}
        self._is_open = False
        sys.stderr = RemoteStderr(notifier, columns=columns)
        watch_process(process_id)
        info = msgspec.convert(run, RunInfo, dec_hook=lambda _type, text: Path(text))
        self._kind_store = KindStore(self._state, info, CHANNELS)
        self._pipeline = build_pipeline(
            self._config,
            info,
            CHANNELS,
            self._state.kinds,
            self._save_kinds,
            lambda: self._opening,
            self._state.whole,
            started_ns=self._state.started_ns,
            in_worker_process=True,
        )

    def serve(self) -> None:
        """Serve until the run is closed, or the training process has ended."""
        is_open = True
        while is_open:
            message = call_guarded(self._receive)
            if isinstance(message, Failure):
                leave_without_memory(None)  # nobody takes over
                self._close_abandoned()
                return
            is_open = self._handle(message)

    def _receive(self) -> Message:
        while not self._connection.has_message(PARENT_CHECK_S):
            if os.getppid() != self._process_id:
                raise EOFError
        return self._connection.receive()

    def _handle(self, message: Message) -> bool:
        """Handle a message; False after the last."""
        match message:
            case ("records", items, step_and_mode, total_steps):
                CHANNELS.total_steps = total_steps
                self._add(items, step_and_mode)
            case ("open", fields):
                self._opening = fields
                self._is_open = True
                configure_channels(self._config)
                self._pipeline.start()
            case ("torch_memory", fields):
                note_torch_memory(fields)
            case ("flush", number, timeout_s):
                # Records and other requests arrive meanwhile.
                flush = partial(self._flush, number, timeout_s)
                if isinstance(call_guarded(start_thread, "flush", flush, 0.0), Failure):
                    self._notifier.answer(number, False)
            case ("status", number):
                self._notifier.answer(number, self._status())
            case ("close", number, timeout_s, ending):
                done = self._pipeline.close(ending, timeout_s)
                self._notifier.answer(number, (done, self._status()))
                return False
        return True

    def _add(self, items: list[Any], step_and_mode: tuple[Any, Any]) -> None:
        size_bytes = self._connection.last_size_bytes
        CHANNELS.step_and_mode = step_and_mode
        on_written = partial(self._notifier.note_written, size_bytes)
        CHANNELS.buffer.put(ReceivedBatch(unpack(items), on_written, size_bytes))
        CHANNELS.buffer.wake.set()

    def _flush(self, number: int, timeout_s: float) -> None:
        self._notifier.answer(number, self._pipeline.flush(timeout_s))

    def _status(self) -> Any:
        return msgspec.to_builtins(self._pipeline.status())

    def _save_kinds(self, kinds: dict[str, dict[str, Kind]]) -> None:
        self._kind_store(kinds)
        self._notifier.note_kinds(kinds)

    def _close_abandoned(self) -> None:
        """Write what a killed training process has sent, and close the sinks."""
        if self._is_open:
            self._pipeline.close(None, self._config.shutdown_timeout_s)
        else:
            self._pipeline.discard()
