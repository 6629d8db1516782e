"""The shutdown hooks: nothing that was accepted is lost, whatever ends the process.

A normal end, `sys.exit` and an exception pass through `atexit`. SIGTERM and SIGHUP would end the
process immediately, so they get a handler where no other handler is set: it writes everything, and
then lets the signal end the process as it would have. SIGINT is left to Python, which raises
`KeyboardInterrupt`. Child processes are left alone.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import multiprocessing.util
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from logflume.guard import call_guarded, describe
from logflume.logger.capture import exception_fields
from logflume.logger.logger import get_logger
from logflume.pipeline.pipeline import Status
from logflume.terminal.streams import print_line
from logflume.threads import NATIVE_CALLS

__all__ = [
    "forget_ending",
    "handle_signals",
    "install",
    "note_end_of_run",
    "report_losses",
    "run_at_exit",
    "set_ending",
    "take_ending",
]

_SIGNALS = ("SIGTERM", "SIGHUP")

_NATIVE_CALL_TIMEOUT_S = 5.0
"""How long the interpreter waits at its end for native calls in progress, in seconds."""

_ending: dict[str, Any] = {}
_close: Callable[[], object] | None = None
_process_id: int | None = None
_is_interrupted = False
_has_run = False


def install(close: Callable[[], object]) -> None:
    """Run `close` at the end of the process, whatever ends it. Can be called again."""
    global _close, _process_id, _has_run
    _has_run = True
    if _close is None:
        # A sink may import modules at exit. Some of them need this one (pyarrow does, for pandas),
        # which can no longer be imported then.
        importlib.import_module("concurrent.futures.thread")
        _wrap_excepthook()
        _wrap_thread_excepthook()
    _close = close
    if multiprocessing.parent_process() is not None and _process_id != os.getpid():
        # `multiprocessing` ends the processes that it forks without `atexit`.
        multiprocessing.util.Finalize(None, close, exitpriority=0)
        _process_id = os.getpid()


def handle_signals() -> None:
    """Also run it on SIGTERM and SIGHUP, unless something else handles them.

    The processes of a pool are left alone, because Python misses a signal that arrives just before
    a long wait. A program can be signalled again; a pool would wait for its worker forever.
    """
    if multiprocessing.parent_process() is None:
        _set_handlers(signal.SIG_DFL, _on_signal)


def note_end_of_run() -> None:
    """Stop logging uncaught exceptions until another run starts."""
    global _has_run
    _has_run = False


def set_ending(status: str, error: BaseException | None = None) -> None:
    """Set how the run ends, for its last event."""
    _ending["status"] = status
    if error is not None:
        _ending["exception"] = describe(error)


def forget_ending() -> None:
    """Undo `set_ending`: the run continued after all."""
    _ending.clear()


def take_ending() -> dict[str, Any]:
    """Return the fields of `run_finished`, and clear them: the next run has its own ending."""
    if not _ending:
        _note_error_on_its_way()
    ending = {"status": "finished", **_ending}
    _ending.clear()
    return ending


def report_losses(status: Status, done: bool) -> None:
    """Print what was dropped or removed, what failed, and whether time ran out."""
    sinks = status.report.sinks.items()
    dropped = {name: sink["dropped"] for name, sink in sinks if sink["dropped"]}
    dropped |= status.report.dropped_by_reason
    if dropped:
        counts = (f"{name} {count}" for name, count in dropped.items())
        print_line(f"events dropped: {', '.join(counts)}")
    for name, fault in status.faults.items():
        print_line(f"{name} failed: {fault}")
    for name, count in status.report.processors.items():
        events = f"{count:,} events, which were" if count > 1 else "one event, which was"
        print_line(f"{name} failed on {events} recorded without its changes")
    for name, loss in status.losses.items():
        print_line(f"{name}: {loss}")
    if not done:
        print_line("the sinks did not finish in time (see shutdown_timeout_s)")


def run_at_exit() -> None:
    """Run what was installed, when the interpreter ends."""
    if _close is not None:
        _close()
    # A shutdown that took too long leaves calls in progress.
    NATIVE_CALLS.end(_NATIVE_CALL_TIMEOUT_S)
    if _is_interrupted:
        # Python dies by SIGINT if the last code that it compiled from text ended in Ctrl-C. A sink
        # that imports something has compiled code since, so it is done once more.
        with contextlib.suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt")


def _note_error_on_its_way() -> None:
    """Note the exception that is propagating when a `finally` block closes the log."""
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
    if not _has_run:
        return
    fields = exception_fields((kind, error, trace))
    get_logger("system").critical(
        "exception", message=f"uncaught in {thread}", thread=thread, **fields
    )


def _release_signals() -> None:
    """Undo `handle_signals` in a forked process: signals end it immediately, as by default."""
    _set_handlers(_on_signal, signal.SIG_DFL)


os.register_at_fork(after_in_child=_release_signals)
