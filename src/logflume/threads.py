"""Background threads of this package."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable

__all__ = ["NATIVE_CALLS", "is_own_thread", "start_thread"]

_PREFIX = "logflume-"
_RETRY_INTERVAL_S = 0.02
_START_TIMEOUT_S = 5.0
_END_INTERVAL_S = 0.005
_FORK_TIMEOUT_S = 1.0


def start_thread(name: str, run: Callable[[], object], patience_s: float = 2.0) -> threading.Thread:
    """Start a daemon thread.

    Args:
        name: What it does; its name becomes `logflume-<name>`.
        run: What it runs.
        patience_s: How long to retry, in seconds, while the system grants no further thread.

    Raises:
        OSError: The system grants no further thread.
    """
    deadline_s = time.monotonic() + patience_s
    while True:
        start = _Start(run)
        thread = threading.Thread(target=start, name=_PREFIX + name, daemon=True)
        # `Thread.start` waits for this. A thread that ends for lack of memory never sets it.
        thread._started = _BoundedEvent()  # type: ignore[attr-defined]
        try:
            thread.start()
        except (RuntimeError, MemoryError):
            is_started = False
        else:
            is_started = start.wait()
        if is_started:
            return thread
        if time.monotonic() >= deadline_s:
            raise OSError(errno.EAGAIN, f"can't start the thread {thread.name}")
        time.sleep(_RETRY_INTERVAL_S)


def is_own_thread() -> bool:
    """Whether the current thread is one of this package's own."""
    return threading.current_thread().name.startswith(_PREFIX)


class _NativeCalls:
    """Calls into C++ libraries that must not be in progress when the interpreter ends.

    An ending interpreter stops a daemon thread when the thread reacquires the interpreter lock.
    Within code bound by pybind11, that aborts the whole process. Such calls are therefore made in
    `with NATIVE_CALLS` blocks, and `end` waits for these blocks before the interpreter ends.
    """

    def __init__(self) -> None:
        self._threads: set[int] = set()
        self._has_ended = False

    def __enter__(self) -> None:
        self._threads.add(threading.get_ident())
        self.between()

    def between(self) -> None:
        """Let the interpreter end between two calls of a long block."""
        if self._has_ended and threading.current_thread().daemon:
            self._threads.discard(threading.get_ident())
            threading.Event().wait()  # until the process ends

    def __exit__(self, *_error: object) -> None:
        self._threads.discard(threading.get_ident())

    def end(self, timeout_s: float) -> None:
        """Keep daemon threads from entering a block, and wait for the blocks in progress."""
        self._has_ended = True
        self.wait(timeout_s)

    def wait(self, timeout_s: float) -> None:
        """Wait for the blocks in progress on other threads.

        A child that is forked within one would inherit the locks that C++ holds.
        """
        deadline_s = time.monotonic() + timeout_s
        while self._threads - {threading.get_ident()} and time.monotonic() < deadline_s:
            time.sleep(_END_INTERVAL_S)

    def forget(self) -> None:
        """Forget the threads of the parent, in a forked process."""
        self._threads.clear()


NATIVE_CALLS = _NativeCalls()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: NATIVE_CALLS.wait(_FORK_TIMEOUT_S), after_in_child=NATIVE_CALLS.forget
    )


class _Start:
    """Runs a function on a thread, unless the wait for the start of the thread timed out."""

    def __init__(self, run: Callable[[], object]) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._has_begun = threading.Event()
        self._is_abandoned = False

    def __call__(self) -> None:
        with self._lock:
            if self._is_abandoned:
                return
            self._has_begun.set()
        self._run()

    def wait(self) -> bool:
        """Return whether the function runs. If it doesn't in time, it never will."""
        self._has_begun.wait(_START_TIMEOUT_S)
        with self._lock:
            self._is_abandoned = not self._has_begun.is_set()
        return not self._is_abandoned


class _BoundedEvent(threading.Event):
    """An event whose `wait` always has a timeout."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait at most a few seconds."""
        return super().wait(_START_TIMEOUT_S if timeout is None else timeout)
