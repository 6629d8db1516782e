"""Sinks that misbehave, and waiting for what they lead to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from logflume.protocols import Event

DEADLINE_S = 30.0
"""How long a test waits for what should happen at once."""


def wait_until(condition: Callable[[], object]) -> bool:
    """Wait until the condition holds; False when it doesn't within the deadline."""
    deadline_s = time.monotonic() + DEADLINE_S
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        pause.wait(0.002)
    return True


class HeldSink:
    """Stands still in `write` until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.entered = threading.Event()
        self.events: list[Any] = []
        self.is_closed = False

    def write(self, events: Sequence[Event]) -> None:
        """Wait, then keep the events."""
        self.entered.set()
        self.go.wait(DEADLINE_S)
        self.events += events

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Remember that it was closed."""
        self.is_closed = True


class HangingSink:
    """Hands on to a sink that the test holds, for a sink with options is built by name."""

    held: HeldSink

    def __init__(self) -> None:
        self.write = self.held.write
        self.flush = self.held.flush
        self.close = self.held.close


class FaultySink:
    """Keeps events, unless the function that it is given returns an error to raise.

    Args:
        fault: Called with the batch.
    """

    def __init__(self, fault: Callable[[Sequence[Event]], BaseException | None]) -> None:
        self.fault = fault
        self.events: list[Event] = []
        self.flush_error: BaseException | None = None
        self.close_error: BaseException | None = None

    def write(self, events: Sequence[Event]) -> None:
        """Raise the fault, or keep the events."""
        if (error := self.fault(events)) is not None:
            raise error
        self.events += events

    def flush(self) -> None:
        """Raise `flush_error` if there is one."""
        if self.flush_error is not None:
            raise self.flush_error

    def close(self) -> None:
        """Raise `close_error` if there is one."""
        if self.close_error is not None:
            raise self.close_error
