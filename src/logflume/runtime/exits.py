"""What happens when the process ends: nothing that was accepted is lost.

A normal end, `sys.exit` and an exception pass through `atexit`. SIGTERM and SIGHUP would end the
process on the spot, so they get a handler where nobody else has set one; it writes
everything and then lets the signal end the process as it would have. SIGINT is left to Python,
which raises `KeyboardInterrupt`. The children of a process are left as they are.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import multiprocessing
import multiprocessing.util
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from types import FrameType, TracebackType
from typing import Any

from logflume.guard import call_guarded, describe
from logflume.logger.capture import exception_fields
from logflume.logger.logger import get_logger
from logflume.pipeline.pipeline import Report

__all__ = [
    "forget_ending",
    "handle_signals",
    "install",
    "report_losses",
    "say",
    "set_ending",
    "take_ending",
]

_SIGNALS = ("SIGTERM", "SIGHUP")

_ending: dict[str, Any] = {}
_close: Callable[[], object] | None = None
_process_id: int | None = None
_is_interrupted = False


def install(close: Callable[[], object]) -> None:
    """Let `close` run at the end of the process, whatever ends it. It may be called again."""
    global _close, _process_id
    if _close is None:
        # What a sink imports as late as at the exit may need it (pyarrow does, for pandas), and
        # then Python lets nobody import it any more.
        importlib.import_module("concurrent.futures.thread")
        atexit.register(_at_exit)
        _wrap_excepthook()
        _wrap_thread_excepthook()
    _close = close
    if _process_id != os.getpid():
        # `multiprocessing` ends the processes that it forks without `atexit`.
        multiprocessing.util.Finalize(None, close, exitpriority=0)
        _process_id = os.getpid()


def handle_signals() -> None:
    """Let what was installed run on SIGTERM and SIGHUP, too, where nobody else handles them.

    Not in the processes of a pool, though: Python misses a signal that comes just before a long
    wait. A program on its own will be asked again; a pool would wait for its worker for ever.
    """
    if multiprocessing.parent_process() is None:
        _set_handlers(signal.SIG_DFL, _on_signal)


def set_ending(status: str, error: BaseException | None = None) -> None:
    """Remember how the run ends, for its last event."""
    _ending["status"] = status
    if error is not None:
        _ending["exception"] = describe(error)


def forget_ending() -> None:
    """Take back what `set_ending` was told: the run went on after all."""
    _ending.clear()


def take_ending() -> dict[str, Any]:
    """Return the fields of `run_finished`, and forget them: the next run has its own ending."""
    if not _ending:
        _note_error_on_its_way()
    ending = {"status": "finished", **_ending}
    _ending.clear()
    return ending


def report_losses(report: Report, faults: Mapping[str, str], done: bool) -> None:
    """Say on standard error what was lost, what is broken, and that the sinks were not done."""
    lost = {name: totals["dropped"] for name, totals in report.sinks.items() if totals["dropped"]}
    if report.dropped:
        lost["the full buffer"] = report.dropped
    if lost:
        say("events dropped: " + ", ".join(f"{name} {count}" for name, count in lost.items()))
    for name, fault in faults.items():
        say(f"{name} failed: {fault}")
    if not done:
        say("the sinks were not done in time (see shutdown_timeout_s)")


def say(text: str) -> None:
    """Print a line on standard error: what can't be logged, for the log is what is broken."""
    if sys.stderr is not None:
        call_guarded(print, f"logflume: {text}", file=sys.stderr)


def _note_error_on_its_way() -> None:
    """Note the exception that is on its way out, where a `finally` closes the log."""
    error = sys.exc_info()[1]
    if isinstance(error, KeyboardInterrupt):
        set_ending("interrupted", error)
    elif isinstance(error, Exception) or (isinstance(error, SystemExit) and error.code):
        set_ending("failed", error)


def _set_handlers(present: Any, wanted: Any) -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is present:
            signal.signal(number, wanted)


def _at_exit() -> None:
    if _close is not None:
        _close()
    if _is_interrupted:
        # Python dies by SIGINT when the last code that it ran from text ended in Ctrl-C. A sink
        # that imports something has run such code since, so it is done once more.
        with contextlib.suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt")


def _on_signal(number: int, _frame: FrameType | None) -> None:
    set_ending("terminated")
    try:
        if _close is not None:
            _close()
    finally:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _wrap_excepthook() -> None:
    previous = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        global _is_interrupted
        _is_interrupted = issubclass(kind, KeyboardInterrupt)
        if _is_interrupted:
            set_ending("interrupted", error)
        else:
            set_ending("failed", error)
            call_guarded(_log_exception, kind, error, trace, "the main thread")
        previous(kind, error, trace)

    sys.excepthook = hook


def _wrap_thread_excepthook() -> None:
    previous = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
            name = args.thread.name if args.thread else "a thread"
            call_guarded(_log_exception, args.exc_type, args.exc_value, args.exc_traceback, name)
        previous(args)

    threading.excepthook = hook


def _log_exception(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None, thread: str
) -> None:
    fields = exception_fields((kind, error, trace))
    get_logger("system").critical(
        "exception", message=f"uncaught in {thread}", thread=thread, **fields
    )


def _release_signals() -> None:
    """Undo `handle_signals` in a forked process: signals end it on the spot, as without us."""
    _set_handlers(_on_signal, signal.SIG_DFL)


os.register_at_fork(after_in_child=_release_signals)
