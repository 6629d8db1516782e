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

    Args:
        patience_s: How long the pauses may be in all, between two calls of `begin`: what the work
            may come later for it.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._main_id = threading.main_thread().ident
        self._left_s = 0.0
        self._looked_at_s = 0.0

    def begin(self, *, in_haste: bool = False) -> None:
        """Begin a turn of work; in haste, because somebody waits for it, there are no pauses."""
        self._left_s = 0.0 if in_haste else self._patience_s
        self._looked_at_s = 0.0

    def give_way(self) -> None:
        """Wait for a moment in which the main thread needs no Python, if there is time."""
        now_s = time.perf_counter()
        if self._left_s <= 0 or now_s - self._looked_at_s < _PIECE_S:
            return
        while self._is_in_the_way() and time.perf_counter() - now_s < self._left_s:
            time.sleep(_PAUSE_S)
        self._looked_at_s = time.perf_counter()
        self._left_s -= self._looked_at_s - now_s

    def _is_in_the_way(self) -> bool:
        before = self._place()
        time.sleep(_LOOK_S)
        return before != self._place()

    def _place(self) -> tuple[int, int]:
        frame = sys._current_frames().get(self._main_id or 0)
        return (id(frame), frame.f_lasti) if frame is not None else (0, 0)
