"""Starting a pipeline: from a configuration to one that every logger of the process feeds."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import structlog

from logflume.config.components import for_rank
from logflume.config.eligibility import find_obstacle
from logflume.config.model import Config
from logflume.events.times import format_time
from logflume.exceptions import RunError
from logflume.formats.media import store_image
from logflume.formats.parquet import are_there, list_parts
from logflume.guard import Failure, call_guarded, describe
from logflume.logger import stdlib_logging
from logflume.logger.channels import CHANNELS, channel, configure_channels
from logflume.logger.logger import EventLogger
from logflume.pipeline.build import KindStore, build_caller_chain, build_pipeline
from logflume.pipeline.completion_ids import COMPLETION_IDS
from logflume.pipeline.faults import report_fault
from logflume.pipeline.pipeline import Pipeline
from logflume.pipeline.records import Dropped, RecordColumns
from logflume.protocols import Event
from logflume.runs.attempts import Attempt, open_attempt
from logflume.runs.description import RunDescription
from logflume.runs.identity import (
    LATEST,
    check_run_id,
    find_division,
    find_local_rank,
    find_rank,
    find_run_id,
    random_run_id,
)
from logflume.runs.info import RunInfo
from logflume.runs.lock import LockHolder
from logflume.runs.state import RunState
from logflume.runtime.code_state import CodeState, GitCommit
from logflume.runtime.describe import describe_run
from logflume.runtime.fork import forked_config, forked_run
from logflume.runtime.refusals import refuse_import
from logflume.runtime.run_lines import console_sinks
from logflume.runtime.takeover import find_first_seq, read_journal_from, remove_written
from logflume.terminal.streams import print_line, terminal_columns
from logflume.values.reports import VALUE_REPORTS
from logflume.values.visuals import IMAGE_FOLDER
from logflume.worker_process.client import RemotePipeline, start_message
from logflume.worker_process.spawn import spawn

__all__ = ["Running", "count_unwritten", "start", "start_after_fork", "take_over"]


ORPHAN_MARGIN_S = 10.0
"""Seconds that the worker process of a killed training may need after `shutdown_timeout_s`."""

_NO_LOCKS = "{fault}: a second process that writes this run would go unnoticed"
_TWO_WRITERS = (
    "{other} also writes run {run.run!r}, rank {run.rank}: stop one of "
    "them. The ranks of one run are distinguished by RANK, and runs by LOGFLUME_RUN"
)
_ON_A_THREAD = "processors and sinks run on a thread of the training process, because {obstacle}"


class Running(msgspec.Struct):
    """A pipeline and what belongs to it.

    Attributes:
        config: The configuration it was built from.
        run: The run it writes.
        state: The run state. A forked child has none: the file is its parent's.
        pipeline: The pipeline, or the handle on one in a worker process.
        attempt: The attempt, with its file locks. A forked child has none.
        ending: The fields of `run_finished`, once the run is being closed.
        is_interrupted: Whether its worker process has ended and nothing could replace it so far.
        code: Records the state of the code; None on other ranks and in forked children.
    """

    config: Config
    run: RunInfo
    state: RunState | None
    pipeline: Pipeline | RemotePipeline
    attempt: Attempt | None
    ending: dict[str, Any] | None = None
    is_interrupted: bool = False
    code: CodeState | None = None

    def paths_of(self, sinks: Sequence[str]) -> list[str]:
        """Return the paths that these sinks write within the run's folder, relative to it."""
        options = (self.config.sinks[name].options for name in sinks)
        paths = [self.run.expand(str(one["path"])) for one in options if "path" in one]
        folder = self.run.folder
        return [str(path.relative_to(folder)) for path in paths if path.is_relative_to(folder)]


def start(
    config: Config,
    on_death: Callable[[RemotePipeline], None],
    working_dir: Path,
    description: RunDescription,
) -> Running:
    """Start the pipeline of a run, or of its next attempt where the run exists.

    Args:
        config: A checked configuration.
        on_death: Called when the worker process ends unrequested.
        working_dir: Where relative paths of the configuration start.
        description: How the user describes the run.

    Raises:
        ConfigError: A component is unknown or doesn't take its options.
        RunError: Another process writes the run, or its folder can't be read or written.
        OSError, MemoryError: The system grants no further thread, file or memory now.
    """
    commit = GitCommit()
    with ExitStack() as undo:
        run = _identify(config, working_dir, undo)
        config = for_rank(config, run)
        if config.when_claimed == "error":
            refuse_import(run)
        orphan_timeout_s = config.shutdown_timeout_s + ORPHAN_MARGIN_S
        attempt = open_attempt(run, config.when_claimed, orphan_timeout_s, print_line)
        undo.callback(attempt.release)
        running = _build(config, attempt, commit, description, on_death)
        undo.callback(running.pipeline.discard)
        attempt.begin()
        if config.run is None and (reason := find_division()):
            _report_limit(config, "run id", reason)
        if attempt.run_lock is not None and attempt.run_lock.fault:
            fault = _NO_LOCKS.format(fault=attempt.run_lock.fault)
            report_fault(CHANNELS, "run.lock", "failed", fault)
        lock = attempt.run_lock or attempt.attempt_lock
        lock.watch(lambda other: _report_other(config, running.run, other))
        commit.start()
        if running.run.rank == 0:
            running.code = CodeState(running.run)
            undo.callback(running.code.finish)
            running.code.start()
        undo.callback(CHANNELS.hold)
        if config.caller_processors:
            undo.callback(CHANNELS.caller_processors.clear)
            chain = build_caller_chain(config, running.run, CHANNELS)
            CHANNELS.caller_processors[:] = [chain.run_in_caller]
        _start_values(config, running.run)
        _connect(config, running.pipeline)
        undo.pop_all()
    if config.stdlib is not None:
        stdlib_logging.install(config.stdlib, has_console=bool(console_sinks(config)))
    _link_latest(running.run)
    return running


def _build(
    config: Config,
    attempt: Attempt,
    commit: GitCommit,
    description: RunDescription,
    on_death: Callable[[RemotePipeline], None],
) -> Running:
    run = attempt.run
    earlier = RunState.load(RunState.path(run))
    if earlier is not None:
        description = description.after(earlier.description)

    def opening() -> dict[str, Any]:
        return describe_run(config, commit, description)

    state = RunState(
        run=run.run,
        attempt=run.attempt,
        started=format_time(time.time_ns()),
        kinds=attempt.kinds,
        whole=earlier.whole if earlier else {},
        hyperparameters=description.hyperparameters,
        tags=description.tags,
        notes=description.notes,
    )
    if earlier is not None:
        _keep_outputs(earlier, state, run)
    pipeline = _build_remote(config, attempt, state, opening, on_death) or build_pipeline(
        config,
        run,
        CHANNELS,
        state.kinds,
        KindStore(state, run, CHANNELS),
        opening,
        state.whole,
        started_ns=state.started_ns,
    )
    try:
        state.save(run)
    except RunError:
        pipeline.discard()
        raise
    return Running(config, run, state, pipeline, attempt)


def _build_remote(
    config: Config,
    attempt: Attempt,
    state: RunState,
    opening: Callable[[], dict[str, Any]],
    on_death: Callable[[RemotePipeline], None],
) -> RemotePipeline | None:
    """Return a pipeline in a worker process; None if it must run in this process."""
    if config.worker == "thread":
        return None
    if obstacle := find_obstacle(config):
        reason = _ON_A_THREAD.format(obstacle=obstacle.reason)
        _report_limit(config, obstacle.component, reason)
        return None

    def note_kinds(kinds: Mapping[str, Mapping[str, str]]) -> None:
        state.kinds = kinds

    message = start_message(config, attempt.run, state, os.getpid(), terminal_columns(sys.stderr))
    locks = [lock.descriptor for lock in (attempt.run_lock, attempt.attempt_lock) if lock]
    interval_s = config.buffer.flush_interval_s
    try:
        child = spawn(locks)
        if attempt.run_lock is not None:
            attempt.run_lock.note_worker(child.process.pid)
        return RemotePipeline(child, message, interval_s, opening, note_kinds, on_death)
    except (OSError, MemoryError) as error:
        report_fault(CHANNELS, "worker process", "failed", describe(error))
        return None


def _report_limit(config: Config, component: str, reason: str) -> None:
    """Report in an event, and on the terminal, that less is done than is configured."""
    report_fault(CHANNELS, component, "limited", reason)
    if not console_sinks(config, "system"):
        print_line(reason)


def take_over(dead: Running) -> Running:
    """Continue a run whose worker process has ended, on a thread of this process.

    The attempt continues: the thread writes what the process has not written, and numbers its
    events from where the journal ends.

    Raises:
        ConfigError, RunError: A sink can't be built.
        OSError, MemoryError: The system grants no further thread, file or memory now.
    """
    assert isinstance(dead.pipeline, RemotePipeline)
    assert dead.state is not None
    state = dead.state
    items, events, seq = _compare_with_journal(dead, dead.pipeline)
    config = msgspec.structs.replace(dead.config, worker="thread")
    run = msgspec.structs.replace(dead.run, first_seq=find_first_seq(items, events, seq))
    unwritten = remove_written(items, events)
    earlier_events = seq if events is None else run.first_seq
    with ExitStack() as undo:
        pipeline = build_pipeline(
            config,
            run,
            CHANNELS,
            dead.state.kinds,
            KindStore(dead.state, run, CHANNELS),
            lambda: describe_run(config, GitCommit(), state.description),
            dead.state.whole,
            started_ns=dead.state.started_ns,
            earlier_events=earlier_events if run.first_seq > 0 else None,
        )
        undo.callback(pipeline.discard)
        CHANNELS.buffer.put_back(unwritten)
        undo.callback(CHANNELS.buffer.take, len(unwritten))
        _connect(config, pipeline)
        undo.pop_all()
    return Running(config, run, state, pipeline, dead.attempt, dead.ending, code=dead.code)


def _compare_with_journal(
    dead: Running, pipeline: RemotePipeline
) -> tuple[list[RecordColumns | Dropped], list[Event] | None, int]:
    """Return the unacknowledged items, and the journal's events from the following `seq` on."""
    items, seq = pipeline.take_back()
    return items, read_journal_from(dead.config, dead.run, (dead.run.attempt, seq)), seq


def count_unwritten(running: Running) -> None:
    """Count what a shutdown left unwritten, in the buffer and in a worker process, as dropped."""
    if not isinstance(running.pipeline, RemotePipeline):
        return  # a pipeline of this process counts itself
    compared = call_guarded(_compare_with_journal, running, running.pipeline)
    if isinstance(compared, Failure):  # all counts as unwritten
        unwritten, _ = running.pipeline.take_back()
    else:
        items, events, _ = compared
        unwritten = remove_written(items, events)
    running.pipeline.count_dropped(unwritten, CHANNELS.buffer.clear())


def _keep_outputs(earlier: RunState, state: RunState, run: RunInfo) -> None:
    """Keep the outputs that earlier attempts completed, except those that lost files."""
    complete = {path: n for path, n in earlier.complete.items() if _is_there(path, earlier, run)}
    state.complete = complete
    state.parts = {path: parts for path, parts in earlier.parts.items() if path in complete}


def _is_there(path: str, earlier: RunState, run: RunInfo) -> bool:
    folder = run.folder / path
    return folder.exists() and all(
        are_there(names, list_parts(folder / table))
        for table, names in earlier.parts.get(path, {}).items()
    )


def start_after_fork(parent: Running) -> Running:
    """Start the pipeline of a process that was forked from one in which `parent` runs."""
    config = forked_config(parent.config)
    known = parent.state.kinds if parent.state is not None else {}
    run = forked_run(parent.run, config)
    pipeline = build_pipeline(
        config,
        run,
        CHANNELS,
        known,
        lambda _kinds: None,  # the run state, which has the kinds, is the parent's
        None,
        {},
        started_ns=time.time_ns(),
    )
    _start_values(config, run)
    _connect(config, pipeline)
    return Running(config, run, None, pipeline, None)


def _start_values(config: Config, run: RunInfo) -> None:
    """Assign to the run what this process derives from logged values: ids, images, reports."""
    COMPLETION_IDS.start(run)
    IMAGE_FOLDER.start(partial(store_image, run.folder))
    VALUE_REPORTS.start(partial(_report_limit, config, "values"))


def _connect(config: Config, pipeline: Pipeline | RemotePipeline) -> None:
    """Connect all loggers, including structlog's, to the pipeline, and start it."""
    configure_channels(config)
    structlog.configure(
        processors=CHANNELS.caller_processors,
        wrapper_class=EventLogger,
        logger_factory=channel,
        cache_logger_on_first_use=False,
    )
    pipeline.start()


def _identify(config: Config, working_dir: Path, undo: ExitStack) -> RunInfo:
    """Return the run and rank; the folder of a run with a random id is created, for it alone."""
    folder = working_dir / config.dir
    run = config.run or find_run_id()
    while run is None:
        candidate = random_run_id()
        with suppress(FileExistsError):
            run = _reserve(folder / candidate, undo)
    check_run_id(run)
    return RunInfo(
        run=run,
        rank=find_rank(),
        local_rank=find_local_rank(),
        dir=folder,
        working_dir=working_dir,
    )


def _reserve(folder: Path, undo: ExitStack) -> str:
    """Create the folder of a run, and return the id. After a later error it is removed, if empty.

    Raises:
        FileExistsError: Another process was faster.
    """
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise
    except OSError as error:
        raise RunError(f"{folder.parent}: runs can't be written here: {error}") from error
    for path in reversed(created):
        undo.callback(call_guarded, path.rmdir)
    return folder.name


def _report_other(config: Config, run: RunInfo, other: LockHolder) -> None:
    """Report another process that writes the same files."""
    reason = _TWO_WRITERS.format(other=other, run=run)
    report_fault(CHANNELS, "run.lock", "failed", reason)
    if not console_sinks(config):
        print_line(reason)


def _link_latest(run: RunInfo) -> None:
    """Point the link `latest`, next to the runs, to this one, if the system has links."""
    if run.rank != 0:
        return
    link = run.dir / LATEST
    draft = run.dir / f".{LATEST}-{os.getpid()}"
    try:
        draft.unlink(missing_ok=True)
        draft.symlink_to(run.run, target_is_directory=True)
        draft.replace(link)
    except OSError:
        draft.unlink(missing_ok=True)  # Windows without the right to make links, or a real folder
