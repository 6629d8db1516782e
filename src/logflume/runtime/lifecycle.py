"""Starting and stopping the pipeline of this process."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from logflume.exceptions import RunError
from logflume.guard import Failure, call_guarded, describe
from logflume.logger.channels import CHANNELS
from logflume.pipeline.records import count_records
from logflume.terminal.streams import print_line
from logflume.values.snapshot import snapshot
from logflume.values.steps import parse_step

# What starts and stops a pipeline is imported by `initialize`: a library that logs through
# logflume must not make its users wait for it.
if TYPE_CHECKING:
    from logflume.config.model import Config
    from logflume.pipeline.pipeline import Report, Status
    from logflume.runs.description import RunDescription
    from logflume.runs.info import RunInfo
    from logflume.runtime.start import Running
    from logflume.worker_process.client import RemotePipeline

__all__ = ["current_config", "current_run", "flush", "initialize", "report", "set_step", "shutdown"]


STATUSES = ("finished", "failed", "interrupted", "terminated")
"""How a run can end."""

INCOMPLETE = "incomplete"
"""The status of a run whose journal lacks events, or whose shutdown took too long."""

MAX_TOTAL_STEPS = 2**53
"""Larger numbers are not taken as a number of steps."""

_MAX_LATE_LINES = 10
"""Events after the end of the run that are reported one by one."""

_FIRST_RETRY_S = 0.1
_LONGEST_RETRY_S = 10.0
"""How long to wait before the next attempt to continue a run whose worker process has ended."""

_SAVE_RETRY_S = 0.05

_running: Running | None = None
_parent: Running | None = None
_session_id: int | None = None
_last_report: Report | None = None
_lock = threading.RLock()


def initialize(
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    run: str | None = None,
    dir: str | os.PathLike[str] | None = None,  # noqa: A002 - named as in the YAML
    level: str | None = None,
    hyperparameters: Any = None,
    tags: Sequence[str] = (),
    notes: str | None = None,
) -> RunInfo:
    """Start logging: build the pipeline and let every logger of the process feed it.

    A second call closes the first run, says so in one line on standard error, and starts another
    run. The id of an existing run continues that run as its next attempt.

    Args:
        config: Path of a YAML file, name of a shipped configuration (`"gemma"`), or a dict
            of the same shape. None: `LOGFLUME_CONFIG`, else the default, with all five kinds of
            sinks.
        run: Run id; None: `LOGFLUME_RUN`, the launcher's job id, or a new one.
        dir: The folder of the runs; None: `LOGFLUME_DIR`, else as configured (`logs`).
        level: Level of the root logger; None: `LOGFLUME_LEVEL`, else as configured.
        hyperparameters: A mapping of names to values, possibly nested, or an object with fields,
            such as a dataclass or an `argparse.Namespace`. `run.info`, `logflume runs` and
            TensorBoard show them; secrets are redacted. A continued run keeps those that aren't
            given again.
        tags: Short texts to find the run by, with `logflume runs --tag`.
        notes: A text about the run.

    Returns:
        The run: its id, attempt, rank and folder.

    Raises:
        ConfigError: The configuration, or an argument, can't be used.
        RunError: Another process is writing the run, its folder can't be written to, or the system
            currently grants no further thread, file or memory.

    Example:
        >>> run = logflume.initialize(hyperparameters={"lr": 1e-5}, tags=["baseline"])
        >>> run.folder
        PosixPath('logs/20261123-141502-a1b2')
    """
    try:
        from logflume.runtime.describe import read_description

        description = read_description(hyperparameters, tags, notes)
        return _initialize(config, run, dir, level, description)
    except (OSError, MemoryError) as error:
        text = f"logging can't start now; call initialize() again: {describe(error)}"
        raise RunError(text) from error


def _initialize(
    config: str | os.PathLike[str] | Mapping[str, Any] | None,
    run: str | None,
    folder: str | os.PathLike[str] | None,
    level: str | None,
    description: RunDescription,
) -> RunInfo:
    from logflume.config.load import load_config
    from logflume.runtime import exits
    from logflume.runtime.refusals import refuse_green_threads
    from logflume.runtime.run_lines import print_start
    from logflume.runtime.start import start

    global _running, _session_id
    refuse_green_threads()
    with _lock:
        checked = load_config(config, run=run, dir=folder, level=level)
        if _running is not None:
            print_line(f"initialize() was called again: closing the run {_running.run.run}")
        shutdown()
        _running = start(checked, _note_death, Path.cwd(), description)
        _session_id = _current_session_id()
        exits.install(shutdown)
        exits.handle_signals()
        print_start(checked, _running.run)
        return _running.run


def shutdown(timeout_s: float | None = None, *, status: str | None = None) -> bool:
    """Write everything that was logged, and close every sink.

    The end of the process does the same. Events that are logged afterwards are held for the next
    `initialize()`.

    Args:
        timeout_s: Maximum wait in seconds; None: `shutdown_timeout_s` of the configuration.
        status: How the run ended: `finished`, `failed`, `interrupted` or `terminated`. None:
            `failed` or `interrupted` where an exception is propagating, else `finished`.

    Returns:
        Whether everything was written. If not, because the time ran out or a sink failed, `report`
        counts what is missing, one line on standard error says so, and the files are intact.
    """
    with _lock:
        if _running is None:
            return True
        _set_status(status)
        limit_s = _running.config.shutdown_timeout_s if timeout_s is None else timeout_s
        is_resumed = _running.ending is not None
        if _running.code is not None:
            _running.code.finish(_bounded(limit_s / 2))
        deadline_s = time.monotonic() + _bounded(limit_s)
        done = None
        try:
            done = _close(deadline_s)
        finally:
            # Ctrl-C ends the wait, which the hook at the end of the process resumes. A second one
            # gives up.
            if done is None and is_resumed:
                _end_run(False, deadline_s)
        return _end_run(done, deadline_s)


def _set_status(status: str | None) -> None:
    """Set how the run ends. An unknown name is ignored, and reported in one line."""
    from logflume.runtime import exits

    if status in STATUSES:
        exits.set_ending(status)
    elif status is not None:
        print_line(
            f"shutdown(status={status!r:.100}): there is no such status, so it isn't recorded. "
            f"Give {', '.join(STATUSES[:-1])} or {STATUSES[-1]}"
        )


def _close(deadline_s: float) -> bool:
    """Close the pipeline; a thread takes over for a worker process that dies meanwhile."""
    from logflume.runtime import exits

    while _running is not None:
        if _running.ending is None:
            _running.ending = exits.take_ending()
        running = _running
        # A signal may come here and call `shutdown` again: that call waits for the same worker.
        ending = running.ending or {}
        if running.pipeline.close(ending, max(0.0, deadline_s - time.monotonic())):
            return True
        if running is not _running or not running.pipeline.has_died:
            return False
        if not _continue_on_thread(running):
            if time.monotonic() >= deadline_s:
                return False
            time.sleep(_FIRST_RETRY_S)
    return False


def _end_run(done: bool, deadline_s: float) -> bool:
    """Count what was not written, record how the run ended, and release it.

    Returns:
        Whether everything is written.
    """
    global _running, _last_report
    from logflume.logger import stdlib_logging
    from logflume.runtime import exits
    from logflume.runtime.run_lines import print_end
    from logflume.runtime.start import count_unwritten

    running = _running
    stdlib_logging.uninstall()
    exits.note_end_of_run()
    if running is None:  # a signal handler has ended it meanwhile
        CHANNELS.hold()
        return done
    if not done:
        running.pipeline.give_up()
        count_unwritten(running)
    CHANNELS.hold()
    CHANNELS.caller_processors.clear()
    CHANNELS.step_and_mode = (None, None)  # those of another run would be wrong in the next one
    CHANNELS.total_steps = None
    status = running.pipeline.status()
    _last_report = status.report
    exits.report_losses(status, done)
    is_saved = _save_state(running, status, done, deadline_s)
    if running.state is not None:
        print_end(running.config, running.run, running.state, status)
    if running.attempt is not None:
        running.pipeline.when_ended(running.attempt.release)
    # Last, so that an interrupted call can be repeated.
    _running = None
    return done and is_saved and not status.faults and not status.losses


def _save_state(running: Running, status: Status, done: bool, deadline_s: float) -> bool:
    """Record in `run.json` how the run ended; return False if that fails until the deadline."""
    state = running.state
    if state is None:
        return True
    ended = (running.ending or {}).get("status", "finished")
    state.status = ended if done and status.is_recorded else INCOMPLETE
    if done:
        state.note_whole(status.whole_sinks)
        state.note_complete(running.paths_of(status.complete_sinks))
    state.note_losses(status.losses, running.paths_of(list(status.losses)))
    from logflume.formats.parquet import list_part_names

    with suppress(OSError):
        parts = {path: list_part_names(running.run.folder / path) for path in state.complete}
        state.parts = {path: of_path for path, of_path in parts.items() if of_path}
    while isinstance(saved := call_guarded(state.save, running.run), Failure):
        if time.monotonic() >= deadline_s:
            print_line(describe(saved.error))
            return False
        time.sleep(_SAVE_RETRY_S)
    return True


def flush(timeout_s: float = 10.0) -> bool:
    """Wait until everything logged before this call can be read in every sink.

    Args:
        timeout_s: Maximum wait in seconds.

    Returns:
        False if it took longer, a sink has a fault, or no run is open.
    """
    running = _running
    return running is not None and running.pipeline.flush(_bounded(timeout_s))


def set_step(step: Any, mode: str | None = None, total: int | None = None) -> None:
    """Set the training step of the events that follow.

    It applies to all threads of the process until the run ends. A step that is bound to a logger,
    or given to a call, takes precedence.

    Args:
        step: The step: an integer, or a value that equals one at this call (`"3"`, `3.0`, a scalar
            of NumPy or torch). None: no step.
        mode: `train` or `eval` (also `validation`, `val`, `test`); None for neither.
        total: Total number of steps, from which the console derives the remaining time. It applies
            until the run ends or another total is given. None, or anything that isn't a positive
            number, leaves the total unchanged.

    Example:
        >>> for step in range(1, 41):
        ...     set_step(step, total=40)
    """
    if total is not None:
        number = parse_step(snapshot(total))
        if isinstance(number, (int, float)) and 0 < number < MAX_TOTAL_STEPS:
            CHANNELS.total_steps = int(number)
    CHANNELS.step_and_mode = (
        step if type(step) is int else snapshot(step),
        mode if type(mode) is str else snapshot(mode),
    )


def report() -> Report | None:
    """Return the counts of the running pipeline, or of the last one; None before the first."""
    return _running.pipeline.status().report if _running else _last_report


def current_config() -> Config:
    """Return the configuration in force; without a run, one of default values."""
    from logflume.config.model import Config

    return _running.config if _running else Config()


def current_run() -> RunInfo | None:
    """Return the run being written; None without one."""
    return _running.run if _running else None


def _bounded(timeout_s: float) -> float:
    return max(0.0, min(timeout_s, threading.TIMEOUT_MAX))


def _note_death(dead: RemotePipeline) -> None:
    """Continue the run after its worker process has ended. Runs on the receiver's thread.

    A shortage of resources may be temporary, so this retries until the run is closed. Meanwhile the
    buffer keeps what is logged, and counts what it can't keep.
    """
    retry_interval_s = _FIRST_RETRY_S
    while True:
        with _lock:
            if _running is None or _running.pipeline is not dead or _continue_on_thread(_running):
                return
        time.sleep(retry_interval_s)
        retry_interval_s = min(2 * retry_interval_s, _LONGEST_RETRY_S)


def _continue_on_thread(dead: Running) -> bool:
    """Continue a run without its worker process, on a thread of this process.

    Returns:
        Whether that is possible now.
    """
    global _running
    from logflume.runtime.start import take_over

    if not dead.is_interrupted:
        print_line("the worker process has ended: continuing on a thread of this process")
    continued = call_guarded(take_over, dead)
    if isinstance(continued, Failure):
        if not dead.is_interrupted:
            print_line(f"logging is interrupted, and will be retried: {describe(continued.error)}")
        dead.is_interrupted = True
        return False
    if dead.is_interrupted:
        print_line("logging continues")
    _running = continued
    return True


def _after_fork() -> None:
    """Leave the pipeline to the parent; the child's first log call starts its own."""
    global _running, _parent, _lock
    _lock = threading.RLock()
    # The child of a child that has not logged yet has the same parent.
    _parent, _running = _running or _parent, None
    CHANNELS.begin_in_child(_start_in_child)


def _start_in_child() -> None:
    global _running, _session_id
    CHANNELS.hold()
    if _parent is None:
        return
    from logflume.runtime import exits
    from logflume.runtime.start import start_after_fork

    # A daemon has left the session of the process that started it, and continues in its place.
    is_daemon = _current_session_id() != _session_id
    started = call_guarded(_start_daemon, _parent) if is_daemon else Failure(RunError())
    if isinstance(started, Failure):
        started = call_guarded(start_after_fork, _parent)
    if isinstance(started, Failure):
        print_line(f"process {os.getpid()} can't log: {describe(started.error)}")
        return
    _running = started
    _session_id = _current_session_id()
    exits.install(shutdown)


def _start_daemon(parent: Running) -> Running:
    """Continue the run of a process that has become a daemon, as its next attempt."""
    from logflume.runs.description import RunDescription
    from logflume.runtime import exits
    from logflume.runtime.start import start

    config = msgspec.structs.replace(parent.config, run=parent.run.run)
    description = RunDescription() if parent.state is None else parent.state.description
    daemon = start(config, _note_death, parent.run.working_dir, description)
    exits.handle_signals()
    return daemon


def _current_session_id() -> int | None:
    return os.getsid(0) if hasattr(os, "getsid") else None


def _at_exit() -> None:
    """Close the run, and count what is logged later: it can no longer be written.

    Registered when this module is imported, so that functions that were registered with `atexit`
    before `initialize()` run before it, and what they log is written.
    """
    from logflume.runtime import exits

    exits.run_at_exit()
    held = count_records(CHANNELS.buffer.clear())
    if held and not CHANNELS.has_warned:
        print_line(f"{_events(held)} not written: no run was open (see initialize())")
    CHANNELS.buffer.refuse(_report_late)


def _report_late(count: int) -> None:
    # The `__del__` of a global object may log when nothing can be imported any more.
    if count <= _MAX_LATE_LINES or set(str(count)[1:]) == {"0"}:
        print_line(f"{_events(count)} logged after the end of the run and not written")


def _events(count: int) -> str:
    return "1 event was" if count == 1 else f"{count} events were"


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
