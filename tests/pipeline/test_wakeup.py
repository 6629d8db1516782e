"""The bell that wakes the worker."""

from __future__ import annotations

import signal
import threading
from types import FrameType

from logflume.pipeline.buffer import Wakeup


def test_rings_once_until_it_is_heard() -> None:
    """However often it was set, one wait hears it and the next does not."""
    bell = Wakeup()
    for _ in range(3):
        bell.set()

    assert [True, False] == [bell.wait(0.0), bell.wait(0.0)]


def test_wakes_a_thread() -> None:
    """A thread that waits goes on when it rings."""
    bell, heard = Wakeup(), []
    thread = threading.Thread(target=lambda: heard.append(bell.wait(30.0)))
    thread.start()
    bell.set()
    thread.join()

    assert [True] == heard


def test_may_be_rung_by_a_signal_handler() -> None:
    """A handler that interrupts `set` in any place of it, and sets it too, never hangs."""
    bell, rung = Wakeup(), []

    def handler(_number: int, _frame: FrameType | None) -> None:
        rung.append(True)
        bell.set()

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    try:
        while len(rung) < 200:
            bell.set()
            bell.wait(0.0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    bell.set()
    assert bell.wait(0.0)
