"""Background threads of this package."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable

__all__ = ["is_own_thread", "start_thread"]

_PREFIX = "logflume-"
_RETRY_INTERVAL_S = 0.02


def start_thread(name: str, run: Callable[[], object], patience_s: float = 2.0) -> threading.Thread:
    """Start a daemon thread.

    Args:
        name: What it does; its name becomes `logflume-<name>`.
        run: What it runs.
        patience_s: How long to try where the system grants no further thread at the moment.

    Raises:
        OSError: The system grants no further thread.
    """
    deadline_s = time.monotonic() + patience_s
    while True:
        thread = threading.Thread(target=run, name=_PREFIX + name, daemon=True)
        try:
            thread.start()
        except (RuntimeError, MemoryError) as error:
            if time.monotonic() >= deadline_s:
                raise OSError(errno.EAGAIN, f"can't start the thread {thread.name}") from error
            time.sleep(_RETRY_INTERVAL_S)
        else:
            return thread


def is_own_thread() -> bool:
    """Whether the current thread is one of this package's own."""
    return threading.current_thread().name.startswith(_PREFIX)
