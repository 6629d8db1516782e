"""Giving way to the main thread: pauses while it runs Python, none while it is in one call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from logflume.pipeline.courtesy import Courtesy


def pieces_until(done: Callable[[], bool], patience_s: float) -> list[float]:
    """Work on another thread in pieces of 1 ms until `done`; return the pause before each, in s."""
    pauses: list[float] = []

    def work() -> None:
        courtesy = Courtesy()
        courtesy.begin(patience_s)
        while not done():
            started_s = time.perf_counter()
            courtesy.give_way()
            pauses.append(time.perf_counter() - started_s)
            busy_until_s = time.perf_counter() + 0.001
            while time.perf_counter() < busy_until_s:
                pass

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return pauses


def test_no_pause_while_the_main_thread_waits() -> None:
    """While the main thread stands still, as here in `join`, the work hardly ever pauses."""
    rounds = iter(range(50))
    pauses = pieces_until(lambda: next(rounds, None) is None, patience_s=60.0)
    assert 50 == len(pauses)
    assert sum(pauses) < 30.0


def test_work_begins_at_the_end_of_patience() -> None:
    """A main thread that never leaves Python holds the work up for as long as it may, no longer."""
    begun = threading.Event()

    def work() -> None:
        courtesy = Courtesy()
        courtesy.begin(0.05)
        courtesy.give_way()
        begun.set()

    threading.Thread(target=work).start()
    give_up_s = time.perf_counter() + 30.0
    while not begun.is_set() and time.perf_counter() < give_up_s:
        pass
    assert begun.is_set()
