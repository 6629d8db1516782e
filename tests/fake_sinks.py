"""Sinks that block or raise on demand, and a function that waits for a condition."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from logflume.protocols import Event

DEADLINE_S = 30.0
"""How long a test waits for something that should happen immediately."""


def wait_until(condition: Callable[[], object]) -> bool:
    """Wait until the condition holds; return False if it doesn't within the deadline."""
    deadline_s = time.monotonic() + DEADLINE_S
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        pause.wait(0.002)
    return True


class HeldSink:
    """A sink that blocks in `write` until the test sets `go`.

    Attributes:
        go: Set by the test, it unblocks `write`.
        entered: Set when `write` is called.
        events: The events written.
        is_closed: Whether `close` was called.
    """

    def __init__(self) -> None:
        self.go = threading.Event()
        self.entered = threading.Event()
        self.events: list[Any] = []
        self.is_closed = False

    def write(self, events: Sequence[Event]) -> None:
        """Block, then store the events."""
        self.entered.set()
        self.go.wait(DEADLINE_S)
        self.events += events

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Record that it was called."""
        self.is_closed = True


class HangingSink:
    """Delegates to the sink `held`, for configurations that need a sink's name, not an object."""

    held: HeldSink

    def write(self, events: Sequence[Event]) -> None:
        """Delegate."""
        self.held.write(events)

    def flush(self) -> None:
        """Delegate."""
        self.held.flush()

    def close(self) -> None:
        """Delegate."""
        self.held.close()


class FaultySink:
    """A sink that stores events, or raises the error that a function returns.

    Args:
        fault: Gets the batch; returns the error to raise, or None.
    """

    def __init__(self, fault: Callable[[Sequence[Event]], BaseException | None]) -> None:
        self.fault = fault
        self.events: list[Event] = []
        self.flush_error: BaseException | None = None
        self.close_error: BaseException | None = None

    def write(self, events: Sequence[Event]) -> None:
        """Raise the error of `fault`, or store the events."""
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
