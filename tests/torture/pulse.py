"""How late an idle thread of this process is: what the machine does to all of its threads."""

from __future__ import annotations

import threading
import time
from types import TracebackType

__all__ = ["Pulse"]

BEAT_S = 0.01


class Pulse:
    """A thread that only waits, while a `with` block runs.

    Attributes:
        lateness_s: How much longer than asked for it had to wait, at worst.
    """

    def __init__(self) -> None:
        self.lateness_s = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Pulse:
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

    def _beat(self) -> None:
        start_s = time.monotonic()
        while not self._over.wait(BEAT_S):
            now_s = time.monotonic()
            self.lateness_s = max(self.lateness_s, now_s - start_s - BEAT_S)
            start_s = now_s
