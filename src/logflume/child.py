"""The pipeline of a forked child: the journal only, in a file of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from logflume.config.model import Config, LoggerConfig, SinkConfig
from logflume.pipeline.build import is_journal
from logflume.registry import PROCESSORS, SINKS, find

__all__ = ["child_config"]


def child_config(config: Config) -> Config:
    """Return the configuration for this process, forked from one that logs with `config`.

    The child writes `events-pid<pid>.jsonl` beside its parent's journal, and runs the processors
    that hold nothing: a thread that samples, or a window of means, is the parent's.
    """
    sinks = {
        name: _own_file(sink)
        for name, sink in config.sinks.items()
        if sink.instance is None and is_journal(find(SINKS, sink.type, f"sinks.{name}"))
    }
    loggers = {
        name: LoggerConfig(level=logger.level, sinks=list(sinks))
        for name, logger in config.loggers.items()
    }
    return msgspec.structs.replace(
        config,
        root=LoggerConfig(level=config.root.level, sinks=list(sinks)),
        loggers=loggers,
        processors=[entry for entry in config.processors if _holds_nothing(entry)],
        sinks=sinks,
        stdlib=None,
    )


def _own_file(sink: SinkConfig) -> SinkConfig:
    path = Path(str(sink.options["path"]))
    own = path.with_name(f"{path.stem}-pid{os.getpid()}{path.suffix}")
    return msgspec.structs.replace(sink, options={**sink.options, "path": str(own)})


def _holds_nothing(entry: Any) -> bool:
    if isinstance(entry, dict):
        (entry,) = entry
    factory = find(PROCESSORS, entry, "processors") if isinstance(entry, str) else entry
    return not hasattr(factory, "close")
