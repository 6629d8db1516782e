"""A thread that measures by how much the operating system delays the threads of this process."""

from __future__ import annotations

import threading
import time
from types import TracebackType

__all__ = ["DelayMonitor"]

INTERVAL_S = 0.01


class DelayMonitor:
    """An idle thread that runs during a `with` block.

    Attributes:
        max_delay_s: The longest time by which the thread woke up late.
    """

    def __init__(self) -> None:
        self.max_delay_s = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._measure, daemon=True)

    def __enter__(self) -> DelayMonitor:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _measure(self) -> None:
        start_s = time.monotonic()
        while not self._over.wait(INTERVAL_S):
            now_s = time.monotonic()
            self.max_delay_s = max(self.max_delay_s, now_s - start_s - INTERVAL_S)
            start_s = now_s
