"""A daemon thread that runs a short task at a fixed interval."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import closing
from functools import partial

from logflume.threads import start_thread

__all__ = ["Ticker"]

_JOIN_TIMEOUT_S = 1.0


class Ticker:
    """Advances a generator to its next `yield`, immediately and then `interval_s` after each step.

    The thread ends when the generator returns or when `stop()` is called. In both cases the
    generator is closed on that thread, so its `with` blocks are also exited there.

    Args:
        steps: The task, with one `yield` after each step.
        interval_s: Pause between two steps, in seconds, greater than 0.
        name: Name of the thread, after `logflume-`.

    Raises:
        ValueError: `interval_s` is out of range.
        OSError: The system grants no further thread.

    Example:
        >>> samples = []
        >>> def sample():
        ...     while True:
        ...         samples.append("a sample")
        ...         yield
        >>> Ticker(sample(), interval_s=60, name="sampler").stop()
        >>> samples
        ['a sample']
    """

    def __init__(self, steps: Generator[None, None, None], *, interval_s: float, name: str) -> None:
        if not 0 < interval_s <= threading.TIMEOUT_MAX:
            raise ValueError(f"interval_s must be a number of seconds above 0, not {interval_s!r}")
        self._interval_s = interval_s
        self._stopped = threading.Event()
        self._thread = start_thread(name, partial(self._run, steps))

    def stop(self) -> None:
        """Stop the thread, interrupting a pause.

        Waits up to one second for a running step; the daemon thread ends after that step.
        """
        self._stopped.set()
        self._thread.join(_JOIN_TIMEOUT_S)

    def _run(self, steps: Generator[None, None, None]) -> None:
        with closing(steps):
            for _ in steps:
                if self._stopped.wait(self._interval_s):
                    return
