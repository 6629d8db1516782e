"""A daemon thread that does a little work every few seconds."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import closing

__all__ = ["Ticker"]

_JOIN_TIMEOUT_S = 1.0


class Ticker:
    """Runs a generator to its next `yield` at once, and again `interval_s` after each.

    The thread ends when the generator returns or when `stop()` is called; either way the
    generator is closed on that thread, so what it opened in a `with` it also closes there.

    Args:
        steps: The work, one `yield` after each piece.
        interval_s: Pause between two pieces, in seconds, more than 0.
        name: Name of the thread.

    Raises:
        ValueError: `interval_s` can't be waited for.

    Example:
        >>> seen = []
        >>> def look():
        ...     while True:
        ...         seen.append("a look")
        ...         yield
        >>> Ticker(look(), interval_s=60, name="looker").stop()
        >>> seen
        ['a look']
    """

    def __init__(self, steps: Generator[None, None, None], *, interval_s: float, name: str) -> None:
        if not 0 < interval_s <= threading.TIMEOUT_MAX:
            raise ValueError(f"interval_s must be a number of seconds above 0, not {interval_s!r}")
        self._interval_s = interval_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(steps,), name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, even in the middle of a pause.

        A piece of work under way is waited for, at most a second; the daemon thread ends after it.
        """
        self._stopped.set()
        self._thread.join(_JOIN_TIMEOUT_S)

    def _run(self, steps: Generator[None, None, None]) -> None:
        with closing(steps):
            for _ in steps:
                if self._stopped.wait(self._interval_s):
                    return
