"""What happens when the process ends: nothing that was accepted is lost.

A normal end, `sys.exit` and an exception pass through `atexit`. SIGTERM and SIGHUP would end the
process on the spot, so they get a handler where nobody else has set one; it writes
everything and then lets the signal end the process as it would have. SIGINT is left to Python,
which raises `KeyboardInterrupt`.
"""

from __future__ import annotations

import atexit
import multiprocessing.util
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from logflume.capture import exception_fields
from logflume.guard import describe
from logflume.logger import get_logger
from logflume.pipeline.pipeline import Report

__all__ = ["complain", "install", "install_in_child", "note_ending", "take_ending"]

_SIGNALS = ("SIGTERM", "SIGHUP")

_ending: dict[str, Any] = {}
_close: Callable[[], object] | None = None


def install(close: Callable[[], object]) -> None:
    """Let `close` run at the end of the process, whatever ends it. The second call does nothing."""
    global _close
    if _close is not None:
        return
    _close = close
    atexit.register(close)
    _wrap_excepthook()
    _wrap_thread_excepthook()
    if threading.current_thread() is threading.main_thread():
        for name in _SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _on_signal)


def install_in_child(close: Callable[[], object]) -> None:
    """Do the same in a forked child, which `multiprocessing` ends without `atexit`."""
    multiprocessing.util.Finalize(None, close, exitpriority=0)


def note_ending(status: str, error: BaseException | None = None) -> None:
    """Remember how the run ends, for its last event."""
    _ending["status"] = status
    if error is not None:
        _ending["exception"] = describe(error)


def take_ending() -> dict[str, Any]:
    """Return the fields of `run_finished`, and forget them: the next run has its own ending."""
    ending = {"status": "finished", **_ending}
    _ending.clear()
    return ending


def complain(report: Report, done: bool) -> None:
    """Say on standard error what was lost, or that the sinks were not done in time."""
    lost = {name: totals["dropped"] for name, totals in report.sinks.items() if totals["dropped"]}
    if report.dropped:
        lost["the full buffer"] = report.dropped
    text = ", ".join(f"{name} {count}" for name, count in lost.items()) or "none known"
    late = "" if done else " The sinks were not done in time (see shutdown_timeout_s)."
    print(f"logflume: events dropped: {text}.{late}", file=sys.stderr)  # noqa: T201


def _on_signal(number: int, _frame: FrameType | None) -> None:
    note_ending("terminated")
    if _close is not None:
        _close()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _wrap_excepthook() -> None:
    previous = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            note_ending("interrupted", error)
        else:
            note_ending("failed", error)
            _log_exception(kind, error, trace, "the main thread")
        previous(kind, error, trace)

    sys.excepthook = hook


def _wrap_thread_excepthook() -> None:
    previous = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
            name = args.thread.name if args.thread else "a thread"
            _log_exception(args.exc_type, args.exc_value, args.exc_traceback, name)
        previous(args)

    threading.excepthook = hook


def _log_exception(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None, thread: str
) -> None:
    fields = exception_fields((kind, error, trace))
    get_logger("system").critical(
        "exception", message=f"uncaught in {thread}", thread=thread, **fields
    )
