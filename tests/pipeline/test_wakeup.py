"""`Wakeup`, which wakes the worker."""

from __future__ import annotations

import signal
import threading
from types import FrameType

from logflume.pipeline.buffer import Wakeup


def test_one_wait_for_many_sets() -> None:
    """After several calls of `set`, one `wait` returns True and the next returns False."""
    wakeup = Wakeup()
    for _ in range(3):
        wakeup.set()

    assert [True, False] == [wakeup.wait(0.0), wakeup.wait(0.0)]


def test_wakes_a_thread() -> None:
    """`set` wakes a waiting thread."""
    wakeup, results = Wakeup(), []
    thread = threading.Thread(target=lambda: results.append(wakeup.wait(30.0)))
    thread.start()
    wakeup.set()
    thread.join()

    assert [True] == results


def test_is_safe_in_signal_handlers() -> None:
    """`set` in a signal handler that interrupts `set` at any point never hangs."""
    wakeup, calls = Wakeup(), []

    def handler(_number: int, _frame: FrameType | None) -> None:
        calls.append(True)
        wakeup.set()

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    try:
        while len(calls) < 200:
            wakeup.set()
            wakeup.wait(0.0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    wakeup.set()
    assert wakeup.wait(0.0)
