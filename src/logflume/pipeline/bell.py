"""Waking a thread, also from a signal handler."""

from __future__ import annotations

from queue import Empty, SimpleQueue

__all__ = ["Bell"]


class Bell:
    """Wakes the one thread that waits for it.

    `threading.Event` takes a lock that its owner can't take twice: a signal handler that sets it
    while the thread below is in `set` hangs. `SimpleQueue.put` may interrupt itself.
    """

    __slots__ = ("_rings",)

    def __init__(self) -> None:
        self._rings: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Ring. While nobody has heard it, once is enough."""
        if self._rings.empty():
            self._rings.put(None)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it rings, and silence it; False when `timeout_s` was not enough."""
        try:
            self._rings.get(timeout=timeout_s)
        except Empty:
            return False
        return True
