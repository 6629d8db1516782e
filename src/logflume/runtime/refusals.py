"""Refuses runs that can't be written: with patched threads, and in an imported script.

A process that `multiprocessing` spawns from a script without a `__main__` guard imports the script
before its own work, and so calls `initialize()` again, for the run that its parent writes. It can't
continue, and a pool would replace it forever.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from logflume.exceptions import RunError
from logflume.guard import call_guarded, unended
from logflume.runs.info import RunInfo
from logflume.runs.lock import LOCK_FILE, acquire, find_holder, is_locked
from logflume.terminal.streams import print_line

if TYPE_CHECKING:
    import psutil

__all__ = ["refuse_green_threads", "refuse_import"]

_PATCHED = (
    ("gevent.monkey", "is_module_patched", "threading", "monkey.patch_all(thread=False)"),
    ("eventlet.patcher", "is_monkey_patched", "thread", "eventlet.monkey_patch(thread=False)"),
)


def refuse_green_threads() -> None:
    """Raise an error if threads are coroutines: they only run when the program yields to them.

    The training would fill a buffer that is never emptied.

    Raises:
        RunError: gevent or eventlet has patched `threading`.
    """
    for module, is_patched, argument, call in _PATCHED:
        patcher = sys.modules.get(module)
        if patcher is not None and getattr(patcher, is_patched)(argument):
            library = module.partition(".")[0]
            raise RunError(
                f"{library} has replaced Python's threads, and logflume needs real ones: "
                f"patch without them ({call})"
            )


_END_TIMEOUT_S = 10.0
"""How long to wait until the parent has ended, in seconds: only one process of the pool ends it."""

_INIT = 1
"""The process that adopts the children of an ended process."""


def refuse_import(run: RunInfo) -> None:
    """Refuse a run if this process imports the script of the process that writes it.

    If the error isn't caught, one line says what to do, and the process that started a pool is
    ended by SIGTERM.

    Raises:
        RunError: This process imports that script.
    """
    process = multiprocessing.current_process()
    # By this attribute `multiprocessing` itself refuses to start processes here.
    if not getattr(process, "_inheriting", False):
        return
    import psutil

    end_lock = run.expand("{dir}/{run}/.end.lock")
    holder = find_holder(run.expand(LOCK_FILE))
    ancestors = psutil.Process().parents()
    owner = next((one for one in ancestors if holder is not None and one.pid == holder.pid), None)
    if owner is None and not is_locked(end_lock) and not _is_orphan(process.name, ancestors):
        return
    error = RunError(
        f"run {run.run!r}, rank {run.rank}: {process.name} imports the script of the process that "
        "writes this run, and calls initialize() again. Put what only the script itself is to do "
        'below `if __name__ == "__main__":`'
    )
    _wrap_excepthook(error, owner, end_lock)
    raise error


def _is_orphan(name: str, ancestors: Sequence[psutil.Process]) -> bool:
    """Whether the process that started this one has ended; another refusal may have ended it."""
    # A fork server is between the two.
    starter = ancestors[name.startswith("ForkServer") :][:1]
    return not starter or starter[0].pid == _INIT


def _wrap_excepthook(error: RunError, owner: psutil.Process | None, end_lock: Path) -> None:
    previous = sys.excepthook

    def hook(kind: type[BaseException], raised: BaseException, trace: TracebackType | None) -> None:
        if raised is not error:
            previous(kind, raised, trace)
        elif "PoolWorker" in multiprocessing.current_process().name:
            call_guarded(_end_pool, error, owner, end_lock)
        else:
            print_line(str(error))

    sys.excepthook = hook


def _end_pool(error: RunError, owner: psutil.Process | None, end_lock: Path) -> None:
    """End the process that would replace this one forever. The first of its pool prints why."""
    first = acquire(end_lock)
    if first is None:
        return
    if owner is not None and owner.is_running():
        print_line(
            f"{unended(error)}. Its pool would restart it forever: ending process {owner.pid}"
        )
        owner.send_signal(signal.SIGTERM)
        owner.wait(_END_TIMEOUT_S)
    first.release()
