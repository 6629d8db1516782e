"""The child process: a pipeline that is fed through a pipe."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import threading
from contextlib import suppress
from typing import Any

from logflume.exceptions import RunError
from logflume.guard import Failure, call_guarded, describe
from logflume.logger.channels import CHANNELS, configure_channels
from logflume.pipeline.build import KindStore, build_pipeline
from logflume.pipeline.pipeline import Pipeline
from logflume.pipeline.records import Batch
from logflume.resources import note_torch_memory, watch_process
from logflume.values.kinds import Kind
from logflume.worker_process.bare_arrow import import_bare_arrow
from logflume.worker_process.notifier import Notifier
from logflume.worker_process.stderr import Terminal
from logflume.worker_process.wire import (
    Connection,
    EventBatch,
    Filled,
    Request,
    RunOpening,
    Start,
    TorchMemory,
)

__all__ = ["main"]

SWITCH_INTERVAL_S = 0.02
"""How long a thread keeps Python's lock while others want it, four times as long as usual."""

GC_THRESHOLD = 20_000
"""New containers after which the garbage collector looks for cycles, of which there are hardly any
here: thirty times as many as usual."""

LOOK_INTERVAL_S = 5.0
"""How often the training is looked for, should the end of the pipe not tell that it has ended."""


def main(reading: int, writing: int, filled: int) -> None:
    """Serve a training until it closes the run or ends.

    Args:
        reading: Descriptor of the pipe from the training.
        writing: Descriptor of the pipe to it.
        filled: Descriptor of the byte that tells of something new in its buffer.
    """
    # Whoever ends the training ends this, once everything is written.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    _let_training_go_first()
    link = Connection(reading, writing)
    start = link.receive()
    speaker = Notifier(link, Filled(filled), start.config.buffer.flush_interval_s)
    speaker.start()
    sys.stderr = Terminal(speaker, is_terminal=start.is_terminal)
    watch_process(start.process_id)
    server = call_guarded(Server, start, link, speaker)
    _settle_down()
    if isinstance(server, Failure):
        speaker.tell_built(_portable(server.error))
    else:
        speaker.tell_built()
        server.serve()
    speaker.stop()
    # What the interpreter would still tidy up is nobody's any more.
    os._exit(0)


def _let_training_go_first() -> None:
    """Never take a core from a running thread: such a pause would last 3 ms (Linux)."""
    if hasattr(os, "SCHED_BATCH"):
        with suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _settle_down() -> None:
    """Spend less on being responsive: in this process nobody waits for a thread or for memory."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


class Server:
    """Does what the training's process says.

    Args:
        start: What to build.
        link: The pipes.
        speaker: Tells the training.

    Raises:
        ConfigError, RunError: The pipeline can't be built.
    """

    def __init__(self, start: Start, link: Connection, speaker: Notifier) -> None:
        self._start = start
        self._link = link
        self._speaker = speaker
        self._opening: dict[str, Any] = {}
        self._keep_kinds = KindStore(start.state, start.run, CHANNELS)
        self._is_open = False
        self._pipeline: Pipeline = build_pipeline(
            start.config,
            start.run,
            CHANNELS,
            start.state.kinds,
            self._save_kinds,
            lambda: self._opening,
            start.state.whole,
            apart=True,
        )

    def serve(self) -> None:
        """Serve until the run is closed, or the training has ended."""
        is_going_on = True
        while is_going_on:
            message = call_guarded(self._receive)
            if isinstance(message, Failure):
                self._abandon()
                return
            is_going_on = self._do(message)

    def _receive(self) -> Any:
        while not self._link.is_heard_from(LOOK_INTERVAL_S):
            if os.getppid() != self._start.process_id:
                raise EOFError
        return self._link.receive()

    def _do(self, message: Any) -> bool:
        """Do what a message says; False after the last."""
        match message:
            case EventBatch(items, position):
                CHANNELS.position = position
                CHANNELS.buffer.put(Batch(items, self._speaker.note_written))
                CHANNELS.buffer.wake.set()
            case RunOpening(fields):
                self._opening = fields
                self._is_open = True
                configure_channels(self._start.config)
                if any(sink.type == "parquet" for sink in self._start.config.sinks.values()):
                    import_bare_arrow()
                self._pipeline.start()
            case TorchMemory(fields):
                note_torch_memory(fields)
            case Request(number, "flush", timeout_s):
                # Meanwhile events come in, and other requests.
                threading.Thread(target=self._flush, args=(number, timeout_s), daemon=True).start()
            case Request(number, "status"):
                self._speaker.answer(number, self._pipeline.status())
            case Request(number, "close", timeout_s, ending):
                done = self._pipeline.close(ending, timeout_s)
                self._speaker.answer(number, (done, self._pipeline.status()))
                return False
        return True

    def _flush(self, number: int, timeout_s: float) -> None:
        self._speaker.answer(number, self._pipeline.flush(timeout_s))

    def _save_kinds(self, kinds: dict[str, dict[str, Kind]]) -> None:
        self._keep_kinds(kinds)
        self._speaker.note_kinds(kinds)

    def _abandon(self) -> None:
        """Write what a training that was killed has sent, and close the sinks."""
        if self._is_open:
            self._pipeline.close(None, self._start.config.shutdown_timeout_s)
        else:
            self._pipeline.discard()


def _portable(error: BaseException) -> Exception:
    """Return an error as one that can be raised in the other process."""
    copy = call_guarded(lambda: pickle.loads(pickle.dumps(error)))
    return copy if isinstance(copy, Exception) else RunError(describe(error))
