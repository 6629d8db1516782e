"""Programs that log and then end in different ways: normally, by an exception, by a signal."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import logflume
from tests.torture.busy_run import CONFIG, TYPES, text_for
from tests.torture.progress_file import ProgressWriter

__all__ = ["EXIT_MODES", "ExitMode", "log_and_exit"]

HANDLED = 1


class ExitMode(NamedTuple):
    """How a program ends.

    Attributes:
        code: The exit code, or the negative number of the signal that ends the program.
        status: The `status` of `run_finished`.
        marker: The marker that the program's own handler sets.
        sent: A signal that the program sends itself while it logs; None: it ends by itself.
    """

    code: int
    status: str
    marker: int = 0
    sent: signal.Signals | None = None


EXIT_MODES = {
    "last line": ExitMode(0, "finished"),
    "exception": ExitMode(1, "failed"),
    "sys.exit(3)": ExitMode(3, "finished"),
    "SIGTERM": ExitMode(-signal.SIGTERM, "terminated", sent=signal.SIGTERM),
    "SIGHUP": ExitMode(-signal.SIGHUP, "terminated", sent=signal.SIGHUP),
    "SIGINT": ExitMode(-signal.SIGINT, "interrupted", sent=signal.SIGINT),
    "handler set before": ExitMode(7, "finished", HANDLED, signal.SIGTERM),
    "handler set after": ExitMode(7, "finished", HANDLED, signal.SIGTERM),
    "KeyboardInterrupt caught": ExitMode(0, "finished", HANDLED, signal.SIGINT),
}
"""The exit modes by name. `before` and `after` refer to `initialize()`."""

UNLIMITED = 100_000


def log_and_exit(folder: str, progress_path: str, mode: str, events: int) -> None:
    """Log events and end.

    Args:
        folder: Where the run is.
        progress_path: The file in which to note the progress.
        mode: How to end, a key of `EXIT_MODES`.
        events: How many events to log before the end or the signal.
    """
    progress_writer = ProgressWriter(Path(progress_path))

    def handle(_number: int, _frame: FrameType | None) -> None:
        progress_writer.set_marker(HANDLED)
        sys.exit(7)

    if mode == "handler set before":
        signal.signal(signal.SIGTERM, handle)
    run = logflume.initialize(CONFIG, dir=folder, run="r")
    if mode == "handler set after":
        signal.signal(signal.SIGTERM, handle)
    progress_writer.start(run.attempt)
    try:
        _log(progress_writer, events, EXIT_MODES[mode].sent)
    except KeyboardInterrupt:
        if mode != "KeyboardInterrupt caught":
            raise
        progress_writer.set_marker(HANDLED)
    if mode == "exception":
        raise ValueError("the loss is not a number")
    if mode == "sys.exit(3)":
        sys.exit(3)


def _log(progress_writer: ProgressWriter, events: int, sent: signal.Signals | None) -> None:
    log = logflume.get_logger()
    for number in range(events if sent is None else UNLIMITED):
        if number == events and sent is not None:
            os.kill(os.getpid(), sent)
        called_s = time.monotonic()
        log.info(TYPES[number % 2], step=number, number=number, text=text_for(number))
        progress_writer.add_event(called_s)
