"""Configuration and identity of a forked child, which writes only a journal of its own."""

from __future__ import annotations

import os
from glob import escape
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from logflume.config.model import Config, LoggerConfig
from logflume.config.registry import find_processor, is_journal_sink
from logflume.runs.info import RunInfo

__all__ = ["forked_config", "forked_run"]


def forked_config(config: Config) -> Config:
    """Return the configuration of a forked child whose parent has `config`.

    The child writes only the journal and runs only stateless processors: state such as a sampling
    thread or a window of means belongs to the parent.
    """
    sinks = {
        name: sink
        for name, sink in config.sinks.items()
        if sink.instance is None and is_journal_sink(name, sink)
    }
    loggers = {
        name: LoggerConfig(level=logger.level, sinks=list(sinks))
        for name, logger in config.loggers.items()
    }
    return msgspec.structs.replace(
        config,
        root=LoggerConfig(level=config.root.level, sinks=list(sinks)),
        loggers=loggers,
        processors=[entry for entry in config.processors if _is_stateless(entry)],
        sinks=sinks,
        stdlib=None,
    )


def forked_run(parent: RunInfo, config: Config) -> RunInfo:
    """Return the identity of this forked child of `parent`.

    The child writes new files, `events-pid<pid>.jsonl`. If an earlier child had the same process
    id, as happens in long runs with many workers, `events-pid<pid>-2.jsonl` is used, and so on.
    """
    tags = (f"pid{os.getpid()}" + (f"-{number}" if number > 1 else "") for number in count(1))
    runs = (msgspec.structs.replace(parent, process=tag) for tag in tags)
    return next(run for run in runs if not _has_files(run, config))


def _has_files(run: RunInfo, config: Config) -> bool:
    paths = (run.expand(str(sink.options["path"])) for sink in config.sinks.values())
    matches = (match for path in paths for match in path.parent.glob(f"{escape(path.stem)}.*"))
    return any(map(Path.is_file, matches))


def _is_stateless(entry: Any) -> bool:
    return not hasattr(find_processor(entry) or entry, "close")
