"""Starting and stopping the pipeline of this process."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog

from logflume import exits, stdlib_logging
from logflume.child import child_config
from logflume.config.load import load_config
from logflume.config.model import Config
from logflume.describe_run import describe_run
from logflume.exceptions import ConfigError
from logflume.guard import Failure, attempt, describe
from logflume.hub import HUB, LEVELS, channel
from logflume.logger import EventLogger
from logflume.pipeline.build import build_pipeline
from logflume.pipeline.faults import report_fault
from logflume.pipeline.pipeline import Pipeline, Report
from logflume.pipeline.router import find_by_prefix
from logflume.run import RunInfo, find_rank, find_run_id
from logflume.state import RunState
from logflume.values.columns import Kind
from logflume.values.unpack import format_time

__all__ = ["current_config", "flush", "initialize", "report", "set_step", "shutdown"]


class _Running(msgspec.Struct):
    """A pipeline and what belongs to it."""

    config: Config
    run: RunInfo
    state: RunState
    pipeline: Pipeline


_running: _Running | None = None
_last_report: Report | None = None
_lock = threading.RLock()


def initialize(
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    run: str | None = None,
    dir: str | os.PathLike[str] | None = None,  # noqa: A002 - named as in the YAML
    level: str | None = None,
) -> RunInfo:
    """Start logging: build the pipeline and let every logger of the process feed it.

    Calling it again closes the first pipeline and starts another run. With the id of a run that
    exists the run is continued, as its next attempt.

    Args:
        config: Path of a YAML file, name of a shipped configuration (`"gemma"`), or a dict
            of the same shape. None: `LOGFLUME_CONFIG`, else the default, with all five sinks.
        run: Run id; None: `LOGFLUME_RUN`, the launcher's job id, or a new one.
        dir: Where runs live; None: `LOGFLUME_DIR`, else as configured (`logs`).
        level: Level of the root logger; None: `LOGFLUME_LEVEL`, else as configured.

    Returns:
        The run: its id, attempt, rank and folder.

    Raises:
        ConfigError: The configuration can't be used.
        RunError: The run's folder can't be written to.

    Example:
        >>> run = logflume.initialize()
        >>> run.folder
        PosixPath('logs/20261123-141502-a1b2')
    """
    global _running
    with _lock:
        checked = load_config(config, run=run, dir=dir, level=level)
        shutdown()
        identity = _identify(checked)
        earlier = RunState.load(identity)
        if earlier is not None:
            identity = msgspec.structs.replace(identity, attempt=earlier.attempt + 1)
        state = RunState(
            run=identity.run,
            attempt=identity.attempt,
            started=format_time(time.time_ns()),
            kinds=earlier.kinds if earlier else {},
        )
        _running = _start(checked, identity, state)
        _link_latest(identity)
        exits.install(shutdown)
        return identity


def shutdown(timeout_s: float | None = None) -> bool:
    """Write everything that was logged, and close every sink.

    It is called at the exit of the process, too. What is logged afterwards is held for the
    next `initialize()`.

    Args:
        timeout_s: The longest that this waits; None: `shutdown_timeout_s` of the configuration.

    Returns:
        False if it took longer; whatever was written by then is whole.
    """
    global _running, _last_report
    with _lock:
        if _running is None:
            return True
        running, _running = _running, None
        ending = exits.take_ending()
        done = running.pipeline.close(
            ending, running.config.shutdown_timeout_s if timeout_s is None else timeout_s
        )
        HUB.hold()
        stdlib_logging.uninstall()
        _last_report = running.pipeline.report()
        running.state.status = ending["status"]
        saved = attempt(running.state.save, running.run)
        if isinstance(saved, Failure) or not done or _last_report.has_losses:
            exits.complain(_last_report, done)
        return done


def flush(timeout_s: float = 10.0) -> bool:
    """Wait until all that was logged before this call can be read in every sink.

    Args:
        timeout_s: The longest that this waits, in seconds.

    Returns:
        True if so; False if it took longer, a sink fails at the moment, or nothing is running.
    """
    running = _running
    return running is not None and running.pipeline.flush(timeout_s)


def set_step(step: int | None, mode: str | None = None) -> None:
    """Set the training step that following events are tagged with.

    It holds for all threads of the process. A step bound to a logger, or given to a call, wins.

    Args:
        step: The step; None for none.
        mode: `train` or `eval`; None for neither.
    """
    HUB.position = (step, mode)


def report() -> Report | None:
    """Return the counts of the running pipeline, or of the last one; None before the first."""
    return _running.pipeline.report() if _running else _last_report


def current_config() -> Config:
    """Return the configuration in force; the default's values where nothing runs."""
    return _running.config if _running else Config()


def _start(config: Config, run: RunInfo, state: RunState, *, is_child: bool = False) -> _Running:
    def save_kinds(kinds: dict[str, dict[str, Kind]]) -> None:
        state.kinds = kinds
        if not is_child:
            saved = attempt(state.save, run)
            if isinstance(saved, Failure):
                report_fault("run.json", "failed", describe(saved.error))

    opening = None if is_child else lambda: describe_run(config)
    pipeline = build_pipeline(config, run, state.kinds, save_kinds, opening)
    if not is_child:
        state.save(run)
    loggers = {"": config.root, **config.loggers}
    HUB.set_levels(lambda name: LEVELS[find_by_prefix(loggers, name).level.lower()])
    HUB.buffer.configure(config.buffer.size, config.buffer.when_full, config.buffer.block_timeout_s)
    structlog.configure(
        processors=HUB.caller_processors,
        wrapper_class=EventLogger,
        logger_factory=_structlog_channel,
        cache_logger_on_first_use=False,
    )
    pipeline.start()
    if config.stdlib is not None and not is_child:
        stdlib_logging.install(config.stdlib, takes_terminal=_has_terminal(config))
    return _Running(config, run, state, pipeline)


def _structlog_channel(name: str = "training", *_args: Any) -> Any:
    return channel(name)


def _identify(config: Config) -> RunInfo:
    run = config.run or find_run_id()
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+=@:-]{0,127}", run):
        raise ConfigError(
            f"run: {run!r} can't be a run id: it names a folder\n"
            "  allowed: letters, digits and . _ + = @ : - (at most 128, a letter or digit first)"
        )
    return RunInfo(run=run, rank=find_rank(), dir=Path(config.dir))


def _has_terminal(config: Config) -> bool:
    return any(s.type == "console" and "path" not in s.options for s in config.sinks.values())


def _link_latest(run: RunInfo) -> None:
    """Let `latest` beside the runs lead to this one, where links exist."""
    if run.rank != 0:
        return
    link = run.dir / "latest"
    draft = run.dir / f".latest-{os.getpid()}"
    try:
        draft.unlink(missing_ok=True)
        draft.symlink_to(run.run, target_is_directory=True)
        draft.replace(link)
    except OSError:
        draft.unlink(missing_ok=True)  # Windows without the right to make links, or a real folder


def _after_fork() -> None:
    """Leave the pipeline to the parent; the first log call starts one of the child's own."""
    global _running, _lock
    _lock = threading.RLock()
    running, _running = _running, None
    if running is None:
        return

    def start_child() -> None:
        global _running
        config = child_config(running.config)
        state = RunState(run=running.run.run, attempt=running.run.attempt, started="")
        _running = _start(config, running.run, state, is_child=True)
        exits.install_in_child(shutdown)

    HUB.buffer.reset(start_child)


os.register_at_fork(after_in_child=_after_fork)
