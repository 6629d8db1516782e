"""Whose journal it is, and with which configurations it was written."""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice
from pathlib import Path

import msgspec

from logflume.config.model import Config, SinkConfig
from logflume.exceptions import ConfigError, RunError
from logflume.hub import LEVELS
from logflume.pipeline.build import is_journal
from logflume.reading.journal import is_of
from logflume.reading.writer import Writer
from logflume.rebuilding.entries import read_entries
from logflume.registry import SINKS, check_options, find
from logflume.run import RunInfo

__all__ = ["expand", "has_all_events", "identify", "is_known", "load_configs"]

_SUFFIX = re.compile(r"(?:-attempt(\d+))?(?:-(pid\d+(?:-\d+)?))?(?:-rank(\d+))?")
_LOOKED_AT = 100
_GIVEN = ("run", "metrics", "events")
"""What sinks are given beside their options."""


def identify(writer: Writer) -> RunInfo | None:
    """Return who has written a journal; None where no event tells.

    The first events tell the run and the rank: most of them, for some may be damaged.
    """
    first = islice(read_entries(writer, None), _LOOKED_AT)
    owners = Counter((e.event["run"], e.event["rank"]) for e in first if e.event is not None)
    if not owners:
        return None
    (run, rank), _ = owners.most_common(1)[0]
    match = _SUFFIX.fullmatch(writer.suffix)
    attempt, process = (match[1], match[2]) if match else (None, None)
    return RunInfo(
        run=run,
        rank=rank,
        attempt=int(attempt or 0),
        dir=writer.folder.parent,
        process=process,
        apart=attempt is not None,
    )


def expand(folder: Path, run: RunInfo, pattern: str) -> Path:
    """Fill a path of the configuration; the folder may have been moved or renamed since."""
    here = msgspec.structs.replace(run, run=folder.name, dir=folder.parent)
    return here.expand(pattern)


def load_configs(writer: Writer, run: RunInfo) -> dict[int, Config]:
    """Return the configurations by attempt, as far as the journal tells."""
    configs: dict[int, Config] = {}
    is_only_one = run.apart or _has_one_attempt(writer)
    for entry in read_entries(writer, run, is_wanted=is_of("run_started")):
        event = entry.event
        if event is None or event["event"] != "run_started" or event.get("config") is None:
            continue
        try:
            config = msgspec.json.decode(event["config"], type=Config)
        except msgspec.MsgspecError:
            continue  # of another version, or changed by a processor
        if _is_usable(config):
            configs[event["attempt"]] = config
        if is_only_one:
            break
    return configs


def _is_usable(config: Config) -> bool:
    """Whether its sinks can be built: damage leaves some texts valid JSON."""
    loggers = (config.root, *config.loggers.values())
    names = {name for logger in loggers for name in logger.sinks or []}
    try:
        for name, sink in config.sinks.items():
            if is_known(sink):
                factory = find(SINKS, sink.type, "sinks")
                check_options(factory, sink.options, _GIVEN, f"sinks.{name}")
    except ConfigError:
        return False
    return names <= set(config.sinks)


def _has_one_attempt(writer: Writer) -> bool:
    try:
        return writer.state is not None and writer.state.attempt == 0
    except RunError:
        return False  # the file is damaged


def has_all_events(config: Config) -> bool:
    """Whether all events go to the journal: only then a gap in `seq` is a loss."""
    for logger in (config.root, *config.loggers.values()):
        names = config.root.sinks if logger.sinks is None else logger.sinks
        if not any(_takes_all(config.sinks[name], logger.level) for name in names or []):
            return False
    return True


def is_known(sink: SinkConfig) -> bool:
    """Whether a sink can be built here: it is no object, and its kind is installed."""
    if sink.instance is not None:
        return False
    try:
        find(SINKS, sink.type, "sinks")
    except ConfigError:
        return False
    return True


def _takes_all(sink: SinkConfig, level: str) -> bool:
    return (
        is_known(sink)
        and is_journal(find(SINKS, sink.type, "sinks"))
        and sink.events is None
        and LEVELS[sink.level.lower()] <= LEVELS[level.lower()]
    )
