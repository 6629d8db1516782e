"""Checks the processors and sinks of a configuration before any is built, and where each runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
import structlog

from logflume.config.errors import ErrorList, config_error, unknown_error
from logflume.config.model import SINK_KEYS, Config, LoggerConfig, Ranks, SinkConfig
from logflume.config.reader import join
from logflume.config.registry import (
    PROCESSORS,
    SINKS,
    check_options,
    find,
    find_processor,
    is_known,
    is_loaded,
)
from logflume.runs.info import RunInfo

__all__ = ["check_components", "for_rank", "move_to_caller", "without_imports"]


_PROVIDED = ("run", "metrics")
"""Parameters of components whose values logflume provides; for sinks also `events`."""

_PLACEHOLDERS = ("{dir}", "{run}", "{rank}")


def check_components(config: Config, where: str, errors: ErrorList) -> None:
    """Check that every component exists and accepts its options.

    Args:
        config: The configuration.
        where: Location in the configuration, for errors.
        errors: Where unknown components and invalid options are added.
    """
    for index, entry in enumerate(config.processors):
        with errors:
            _check_processor(entry, join(where, f"processors[{index}]"))
    for index, entry in enumerate(config.caller_processors):
        with errors:
            _check_caller_processor(entry, join(where, f"caller_processors[{index}]"))
    for name, sink in config.sinks.items():
        if sink.instance is None:
            _check_sink(sink, join(where, f"sinks.{name}"), errors)


def without_imports(config: Config, may_import: Callable[[str], bool]) -> Config:
    """Return a configuration without the components that must not be imported.

    Args:
        config: The configuration.
        may_import: Returns whether a component that would have to be imported may be imported.
    """

    def is_kept(group: str, names: Iterable[Any]) -> bool:
        missing = [name for name in names if isinstance(name, str) and not is_loaded(group, name)]
        return all(may_import(name) for name in missing)

    def reduce_chain(entries: list[Any]) -> list[Any]:
        return [e for e in entries if is_kept(PROCESSORS, e if isinstance(e, Mapping) else [e])]

    kinds = {name: [] if sink.instance else [sink.type] for name, sink in config.sinks.items()}
    sinks = {name: sink for name, sink in config.sinks.items() if is_kept(SINKS, kinds[name])}
    return msgspec.structs.replace(
        _with_sinks(config, sinks),
        caller_processors=reduce_chain(config.caller_processors),
        processors=reduce_chain(config.processors),
    )


def for_rank(config: Config, run: RunInfo) -> Config:
    """Return a configuration without the sinks that this rank doesn't have."""
    own = {
        name: sink
        for name, sink in config.sinks.items()
        if sink.ranks is Ranks.ALL
        or (sink.ranks is Ranks.NODE and run.local_rank == 0)
        or run.rank == 0
    }
    return _with_sinks(config, own)


def _with_sinks(config: Config, sinks: dict[str, SinkConfig]) -> Config:
    """Return a configuration with only these sinks, for all loggers."""

    def reduce(logger: LoggerConfig) -> LoggerConfig:
        names = None if logger.sinks is None else [name for name in logger.sinks if name in sinks]
        return msgspec.structs.replace(logger, sinks=names)

    loggers = {name: reduce(logger) for name, logger in config.loggers.items()}
    return msgspec.structs.replace(config, sinks=sinks, root=reduce(config.root), loggers=loggers)


def _check_processor(entry: Any, where: str) -> None:
    if isinstance(entry, type):
        raise config_error(where, f"expected an object, found its class: write {entry.__name__}()")
    if callable(entry):
        return
    if isinstance(entry, str):
        entry = {entry: None}
    example = _as_entry(entry) if isinstance(entry, Mapping) else ""
    if not isinstance(entry, Mapping) or len(entry) != 1 or example:
        problem = f"expected a name, or one name with its options, found {entry!r}"
        raise config_error(where, f"{problem}. Write: {example}" if example else problem)
    ((name, options),) = entry.items()
    factory = find(PROCESSORS, str(name), where)
    where = f"{where}.{name}"
    if options is not None and not isinstance(options, Mapping):
        raise config_error(where, f"expected options (key: value), found {options!r}")
    if isinstance(factory, type):
        check_options(factory, options or {}, _PROVIDED, where)
    elif options:
        raise config_error(where, "this processor is a function and takes no options")


def _as_entry(entry: Mapping[Any, Any]) -> str:
    """Return how an entry is written whose name is a value, such as that of `type`; else `""`.

    >>> _as_entry({"type": "flatten_rewards", "num_generations": 8})
    '- flatten_rewards: {num_generations: 8}'
    """
    for key, name in entry.items():
        if isinstance(name, str) and is_known(PROCESSORS, name):
            options = ", ".join(f"{k}: {v}" for k, v in entry.items() if k != key)
            return f"- {name}: {{{options}}}" if options else f"- {name}"
    return ""


def _check_caller_processor(entry: Any, where: str) -> None:
    _check_processor(entry, where)
    if hasattr(find_processor(entry) or entry, "close"):
        problem = "this processor keeps events until later, so it must be in `processors`"
        raise config_error(where, problem)


def _check_sink(sink: SinkConfig, where: str, errors: ErrorList) -> None:
    with errors:
        factory = find(SINKS, sink.type, f"{where}.type")
        check_options(factory, sink.options, {*_PROVIDED, "events"}, where, SINK_KEYS)
    for placeholder in re.findall(r"{\w*}", str(sink.options.get("path"))):
        if placeholder not in _PLACEHOLDERS:
            with errors:
                problem = f"unknown placeholder {placeholder}"
                raise unknown_error(f"{where}.path", problem, placeholder, _PLACEHOLDERS)


_CALLER_CLASSES = (
    structlog.processors.CallsiteParameterAdder,
    structlog.processors.EventRenamer,
    structlog.processors.ExceptionPrettyPrinter,
    structlog.processors.ExceptionRenderer,
    structlog.processors.MaybeTimeStamper,
    structlog.processors.StackInfoRenderer,
    structlog.processors.TimeStamper,
)

_CALLER_FUNCTIONS = (
    structlog.contextvars.merge_contextvars,
    structlog.threadlocal.merge_threadlocal,
)


def move_to_caller(config: Config) -> Config:
    """Move processors that inspect the caller from `processors` to `caller_processors`.

    On the worker they would see the worker's stack, clock and context, the event's type instead of
    its text, and no exception.

    Args:
        config: A checked configuration.
    """
    moved = [entry for entry in config.processors if _needs_caller(entry)]
    return msgspec.structs.replace(
        config,
        caller_processors=[*config.caller_processors, *moved],
        processors=[entry for entry in config.processors if not _needs_caller(entry)],
    )


def _needs_caller(entry: Any) -> bool:
    component = find_processor(entry) or entry
    if isinstance(component, type):
        return issubclass(component, _CALLER_CLASSES)
    return isinstance(component, _CALLER_CLASSES) or any(
        component is each for each in _CALLER_FUNCTIONS
    )
