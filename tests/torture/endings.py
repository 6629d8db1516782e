"""Programs that log and come to an end, each in another way."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import logflume
from tests.torture.busy import CONFIG, TYPES, text_of
from tests.torture.told import Teller

__all__ = ["ENDINGS", "Ending", "end"]

HANDLED = 1


class Ending(NamedTuple):
    """How a program ends.

    Attributes:
        code: Its exit code, or minus the signal that it dies by.
        status: What `run_finished` says.
        mark: What the program's own handler tells.
        sent: A signal to send while it logs; None where it ends by itself.
    """

    code: int
    status: str
    mark: int = 0
    sent: signal.Signals | None = None


ENDINGS = {
    "its last line": Ending(0, "finished"),
    "an exception": Ending(1, "failed"),
    "sys.exit(3)": Ending(3, "finished"),
    "SIGTERM": Ending(-signal.SIGTERM, "terminated", sent=signal.SIGTERM),
    "SIGHUP": Ending(-signal.SIGHUP, "terminated", sent=signal.SIGHUP),
    "SIGINT": Ending(-signal.SIGINT, "interrupted", sent=signal.SIGINT),
    "a handler set before": Ending(7, "finished", HANDLED, signal.SIGTERM),
    "a handler set after": Ending(7, "finished", HANDLED, signal.SIGTERM),
    "KeyboardInterrupt caught": Ending(0, "finished", HANDLED, signal.SIGINT),
}
ENDLESS = 100_000


def end(folder: str, told: str, ending: str, events: int) -> None:
    """Log, and end in one of the ways above, after so many events or when a signal comes."""
    teller = Teller(Path(told))

    def handle(_number: int, _frame: FrameType | None) -> None:
        teller.set_mark(HANDLED)
        sys.exit(7)

    if ending == "a handler set before":
        signal.signal(signal.SIGTERM, handle)
    run = logflume.initialize(CONFIG, dir=folder, run="r")
    if ending == "a handler set after":
        signal.signal(signal.SIGTERM, handle)
    teller.begin(run.attempt)
    try:
        _log(teller, events, ENDINGS[ending].sent)
    except KeyboardInterrupt:
        if ending != "KeyboardInterrupt caught":
            raise
        teller.set_mark(HANDLED)
    if ending == "an exception":
        raise ValueError("the loss is no number")
    if ending == "sys.exit(3)":
        sys.exit(3)


def _log(teller: Teller, events: int, sent: signal.Signals | None) -> None:
    log = logflume.get_logger()
    for number in range(events if sent is None else ENDLESS):
        if number == events and sent is not None:
            os.kill(os.getpid(), sent)
        called_s = time.monotonic()
        log.info(TYPES[number % 2], step=number, number=number, text=text_of(number))
        teller.tell(called_s)
