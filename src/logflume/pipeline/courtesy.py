"""Giving way to the training: work on a background thread while the main thread needs no Python.

Python runs one thread at a time, and a thread that computes keeps the lock for 5 ms before it is
asked to let go. A training that calls thousands of small operations a step would wait at each of
them. But every step has stretches in which the main thread is inside a long call (a backward pass,
a matrix product, a wait for the GPU) and the lock is free.
"""

from __future__ import annotations

import sys
import threading
import time

__all__ = ["Courtesy"]

_PIECE_S = 0.0003
"""How long the work goes on before it looks whether it is in the way."""

_LOOK_S = 0.0001
"""How long the main thread has to stay in one call to be taken for busy outside of Python."""

_PAUSE_S = 0.0005


class Courtesy:
    """Decides when a background thread works on.

    A new one is always in haste.
    """

    def __init__(self) -> None:
        self._main_id = threading.main_thread().ident
        self._until_s = 0.0
        self._looked_at_s = 0.0

    def begin(self, patience_s: float) -> None:
        """Begin a turn of work, which may come this much later for its pauses, in seconds."""
        self._until_s = time.perf_counter() + patience_s
        self._looked_at_s = 0.0

    def give_way(self) -> None:
        """Wait for a moment in which the main thread needs no Python, if there is time."""
        now_s = time.perf_counter()
        if now_s >= self._until_s or now_s - self._looked_at_s < _PIECE_S:
            return
        while self._is_in_the_way() and time.perf_counter() < self._until_s:
            time.sleep(_PAUSE_S)
        self._looked_at_s = time.perf_counter()

    def _is_in_the_way(self) -> bool:
        before = self._place()
        time.sleep(_LOOK_S)
        return before != self._place()

    def _place(self) -> tuple[int, int]:
        frame = sys._current_frames().get(self._main_id or 0)
        return (id(frame), frame.f_lasti) if frame is not None else (0, 0)
