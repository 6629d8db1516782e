"""Starting a pipeline: from a configuration to one that every logger of the process feeds."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import structlog

from logflume.config.eligibility import is_eligible
from logflume.config.model import Config
from logflume.events.times import format_time
from logflume.exceptions import RunError
from logflume.guard import describe
from logflume.logger import stdlib_logging
from logflume.logger.channels import CHANNELS, channel, configure_channels
from logflume.logger.logger import EventLogger
from logflume.pipeline.build import KindStore, build_pipeline
from logflume.pipeline.faults import report_fault
from logflume.pipeline.pipeline import Pipeline
from logflume.runs.attempts import Attempt, open_attempt
from logflume.runs.identity import LATEST, check_run_id, find_rank, find_run_id
from logflume.runs.info import RunInfo
from logflume.runs.state import RunState
from logflume.runtime.describe import GitCommit, describe_run
from logflume.runtime.fork import forked_config, forked_run
from logflume.values.kinds import Kind
from logflume.worker_process.client import RemotePipeline
from logflume.worker_process.spawn import spawn
from logflume.worker_process.wire import Start

__all__ = ["Running", "start", "start_after_fork"]


_UNNOTICED = "a second process that writes this run would go unnoticed"


class Running(msgspec.Struct):
    """A pipeline and what belongs to it.

    Attributes:
        config: What it was built from.
        run: The run it writes.
        state: What the next attempt has to know. A forked child has none: the file is its parent's.
        pipeline: The pipeline, or what stands for one in another process.
        attempt: The attempt that it is, with its claim on the run. A forked child has none.
    """

    config: Config
    run: RunInfo
    state: RunState | None
    pipeline: Pipeline | RemotePipeline
    attempt: Attempt | None

    def outputs_of(self, sinks: Sequence[str]) -> list[str]:
        """Return what these sinks write, by its path in the run's folder."""
        options = (self.config.sinks[name].options for name in sinks)
        paths = [self.run.expand(str(one["path"])) for one in options if "path" in one]
        folder = self.run.folder
        return [str(path.relative_to(folder)) for path in paths if path.is_relative_to(folder)]


def start(config: Config, on_death: Callable[[RemotePipeline], None]) -> Running:
    """Start the pipeline of a run, or of its next attempt where the run exists.

    Args:
        config: A checked configuration.
        on_death: Called when the process that the pipeline runs in ends on its own.

    Raises:
        ConfigError: A component is unknown or doesn't take its options.
        RunError: Another process writes the run, or its folder can't be read or written.
    """
    begun = open_attempt(_identify(config), config.when_claimed)
    commit = GitCommit()
    with ExitStack() as undo:
        undo.callback(begun.release)
        running = _build(config, begun, lambda: describe_run(config, commit), on_death)
        undo.pop_all()
    begun.begin()
    if begun.claim is not None and begun.claim.fault:
        report_fault(CHANNELS, "run.lock", "failed", f"{begun.claim.fault}: {_UNNOTICED}")
    commit.ask()
    _connect(config, running.pipeline)
    if config.stdlib is not None:
        stdlib_logging.install(config.stdlib, takes_terminal=_has_terminal(config))
    _link_latest(running.run)
    return running


def _build(
    config: Config,
    begun: Attempt,
    opening: Callable[[], dict[str, Any]],
    on_death: Callable[[RemotePipeline], None],
) -> Running:
    run = begun.run
    earlier = RunState.load(RunState.path(run))
    state = RunState(
        run=run.run,
        attempt=run.attempt,
        started=format_time(time.time_ns()),
        kinds=begun.kinds,
        whole=earlier.whole if earlier else {},
        complete=_still_there(earlier.complete, run) if earlier else {},
    )
    pipeline = _build_apart(config, begun, state, opening, on_death) or build_pipeline(
        config, run, CHANNELS, state.kinds, KindStore(state, run, CHANNELS), opening, state.whole
    )
    try:
        state.save(run)
    except RunError:
        pipeline.discard()
        raise
    return Running(config, run, state, pipeline, begun)


def _build_apart(
    config: Config,
    begun: Attempt,
    state: RunState,
    opening: Callable[[], dict[str, Any]],
    on_death: Callable[[RemotePipeline], None],
) -> RemotePipeline | None:
    """Return a pipeline in a process of its own; None where it has to be here."""
    if config.worker == "thread" or not is_eligible(config):
        return None
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    message = Start(config, begun.run, state, os.getpid(), is_terminal)
    try:
        child = spawn([claim.descriptor for claim in (begun.claim, begun.number) if claim])
        return RemotePipeline(child, message, opening, on_death)
    except OSError as error:
        report_fault(CHANNELS, "worker process", "failed", describe(error))
        return None


def _still_there(complete: dict[str, int], run: RunInfo) -> dict[str, int]:
    return {output: n for output, n in complete.items() if (run.folder / output).exists()}


def start_after_fork(parent: Running) -> Running:
    """Start the pipeline of a process that was forked from one in which `parent` runs."""
    config = forked_config(parent.config)
    known = parent.state.kinds if parent.state is not None else {}
    run = forked_run(parent.run, config)
    pipeline = build_pipeline(config, run, CHANNELS, known, _keep_to_itself, None, {})
    _connect(config, pipeline)
    return Running(config, run, None, pipeline, None)


def _connect(config: Config, pipeline: Pipeline | RemotePipeline) -> None:
    """Let all loggers, structlog's too, feed the pipeline, and start it."""
    configure_channels(config)
    structlog.configure(
        processors=CHANNELS.caller_processors,
        wrapper_class=EventLogger,
        logger_factory=_structlog_channel,
        cache_logger_on_first_use=False,
    )
    pipeline.start()


def _keep_to_itself(_kinds: dict[str, dict[str, Kind]]) -> None:
    pass


def _structlog_channel(name: object = "training", *_args: Any) -> Any:
    return channel(str(name))


def _identify(config: Config) -> RunInfo:
    run = config.run or find_run_id()
    check_run_id(run)
    return RunInfo(run=run, rank=find_rank(), dir=Path(config.dir))


def _has_terminal(config: Config) -> bool:
    return any(s.type == "console" and "path" not in s.options for s in config.sinks.values())


def _link_latest(run: RunInfo) -> None:
    """Let `latest` beside the runs lead to this one, where links exist."""
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
