"""Which processors of structlog have to run in the thread that logs."""

from __future__ import annotations

from typing import Any

import msgspec
import structlog

from logflume.config.model import Config
from logflume.config.registry import find_processor

__all__ = ["move_to_caller"]

_CLASSES = (
    structlog.processors.CallsiteParameterAdder,
    structlog.processors.EventRenamer,
    structlog.processors.ExceptionPrettyPrinter,
    structlog.processors.ExceptionRenderer,
    structlog.processors.MaybeTimeStamper,
    structlog.processors.StackInfoRenderer,
    structlog.processors.TimeStamper,
)

_FUNCTIONS = (structlog.contextvars.merge_contextvars, structlog.threadlocal.merge_threadlocal)


def move_to_caller(config: Config) -> Config:
    """Move processors that look at the caller from `processors` to `caller_processors`.

    On the worker they would see its stack, its clock and its context, the type of the event in
    place of its text, and no exception.

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
        return issubclass(component, _CLASSES)
    return isinstance(component, _CLASSES) or any(component is each for each in _FUNCTIONS)
