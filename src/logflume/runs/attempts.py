"""Starts an attempt of a run: locks the run and determines the attempt's number.

Only one live process writes the files of a run and rank. A second process gets an error or, if
so configured, becomes a concurrent attempt with the attempt's number in the names of its files.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import msgspec

from logflume.exceptions import RunError
from logflume.runs.files import find_writers
from logflume.runs.info import RunInfo
from logflume.runs.lock import LOCK_FILE, FileLock, LockHolder, acquire, find_holder
from logflume.runs.state import RunState

__all__ = ["Attempt", "open_attempt"]

LOCK_TIMEOUT_S = 2.0
"""How long to wait for another process to release the lock of the run, in seconds."""

REPORT_AFTER_S = 1.0
"""How long to wait before reporting the reason, in seconds."""


class Attempt(msgspec.Struct):
    """An attempt of a run that is about to start.

    Attributes:
        run: The run, including the number of the attempt.
        kinds: Kinds of undeclared fields, as fixed by earlier attempts.
        run_lock: The lock on the files of the run; None for a concurrent attempt, which has files
            of its own.
        attempt_lock: The lock on the attempt's number. Held until the state is saved; a
            concurrent attempt holds it until the end, because its file names contain the number.
    """

    run: RunInfo
    kinds: dict[str, dict[str, str]]
    run_lock: FileLock | None
    attempt_lock: FileLock

    def begin(self) -> None:
        """Release the lock on the number: the saved state now shows that it is in use."""
        if self.run_lock is not None:
            self.attempt_lock.release()

    def release(self) -> None:
        """Release all locks, because the run has ended or failed to start."""
        self.attempt_lock.release()
        if self.run_lock is not None:
            self.run_lock.release()


def open_attempt(
    run: RunInfo,
    when_claimed: Literal["error", "next_attempt"],
    orphan_timeout_s: float,
    report: Callable[[str], None],
) -> Attempt:
    """Lock a run and return its first or next attempt.

    Args:
        run: The run and rank; the number of the attempt is determined here.
        when_claimed: What to do while another process writes this run and rank.
        orphan_timeout_s: The longest time, in seconds, that the worker process of a killed training
            may need to write what it has and to end.
        report: Called with the reason if this waits for that process.

    Raises:
        RunError: Another process writes the run, or its folder can't be read or written.
    """
    run_lock = _acquire_or_wait(run.expand(LOCK_FILE), orphan_timeout_s, report)
    if run_lock is None:
        if when_claimed == "error":
            raise _refusal(run)
        run = msgspec.structs.replace(run, is_concurrent=True)
    with ExitStack() as undo:
        if run_lock is not None:
            undo.callback(run_lock.release)
        attempt = _assign_number(run, run_lock)
        undo.pop_all()
    return attempt


def _acquire_or_wait(
    path: Path, orphan_timeout_s: float, report: Callable[[str], None]
) -> FileLock | None:
    """Acquire a lock; wait if it is held, because its holder may have been killed.

    The operating system takes a moment to end a killed process. A child that was just forked may
    keep the lock file open as long, and the worker process keeps it until everything is written.
    """
    started_s = time.monotonic()
    is_reported = False
    while (lock := acquire(path)) is None:
        waited_s = time.monotonic() - started_s
        holder = find_holder(path)
        is_orphan = holder is not None and not holder.is_running()
        if waited_s > (orphan_timeout_s if is_orphan else LOCK_TIMEOUT_S):
            break
        if holder is not None and is_orphan and waited_s > REPORT_AFTER_S and not is_reported:
            is_reported = True
            report(f"waiting for {_orphan(holder)}, at most {orphan_timeout_s:.0f} s")
        time.sleep(0.02)
    return lock


def _orphan(holder: LockHolder) -> str:
    worker = f"process {holder.worker_pid}" if holder.has_running_worker() else "a process"
    return f"{worker}, which writes what process {holder.pid} logged before it ended"


def _assign_number(run: RunInfo, run_lock: FileLock | None) -> Attempt:
    """Return the attempt with the first number that no other process uses or is about to use."""
    states = _load_states(run)
    number = _next_number(states)
    while True:
        candidate = msgspec.structs.replace(run, attempt=number)
        attempt_lock = acquire(
            msgspec.structs.replace(candidate, is_concurrent=True).expand(LOCK_FILE)
        )
        if attempt_lock is None:
            number += 1
            continue
        # A previous holder of this number has saved its state by now.
        states = _load_states(run)
        if number >= _next_number(states):
            return Attempt(candidate, _merge_kinds(states), run_lock, attempt_lock)
        attempt_lock.release()
        number = _next_number(states)


def _load_states(run: RunInfo) -> list[RunState]:
    """Return the states of the run and rank: of the latest attempt, and of concurrent ones."""
    folder = run.folder
    writers = find_writers(folder, None) if folder.is_dir() else []
    own = [w for w in writers if w.rank == run.rank and w.process is None]
    own.sort(key=lambda writer: writer.attempt is not None)  # `run.json` itself first
    paths = (folder / writer.state_name for writer in own)
    return [state for path in paths if (state := RunState.load(path)) is not None]


def _next_number(states: list[RunState]) -> int:
    return 1 + max((state.attempt for state in states), default=-1)


def _merge_kinds(states: list[RunState]) -> dict[str, dict[str, str]]:
    """Return the kinds of all states; on a conflict those in the run's own `run.json` win."""
    kinds: dict[str, dict[str, str]] = {}
    for state in reversed(states):
        for event_type, fields in state.kinds.items():
            kinds.setdefault(event_type, {}).update(fields)
    return kinds


def _refusal(run: RunInfo) -> RunError:
    path: Path = run.expand(LOCK_FILE)
    holder = find_holder(path)
    if holder is None:
        who = "another process is writing it"
    elif holder.is_running():
        who = f"{holder} has been writing it since {holder.since}"
    else:
        who = f"{_orphan(holder)}, is still running"
    return RunError(
        f"run {run.run!r}, rank {run.rank}: {who} (lock file: {path}). "
        "Stop that process, choose another run (`run=` or LOGFLUME_RUN), or let this process "
        "become a concurrent attempt (`when_claimed: next_attempt`). The ranks of one run are "
        "distinguished by RANK, which their launcher sets."
    )
