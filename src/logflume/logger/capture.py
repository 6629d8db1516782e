"""Capturing a log call on the caller's thread: arguments, exceptions, mutable values."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from types import FrameType, TracebackType
from typing import Any

import structlog
from structlog.contextvars import _ASYNC_CALLING_STACK

from logflume.events.catalogue import CATALOGUE
from logflume.events.reserved import is_type_name
from logflume.guard import Failure, call_guarded, describe, type_name
from logflume.logger.arguments import max_elements, read_arguments, text_of
from logflume.values.snapshot import memory_bytes, snapshot

__all__ = ["capture", "exception_fields"]

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

_NO_FIELDS = frozenset({"exc_info", "stack_info", "event"})
"""Keywords of a call that are not fields."""

_EVERYWHERE = ("timestamp", "level", "logger", "message")
"""Fields that every event has, and that structlog's processors add as well."""


def capture(
    logger: Any,
    level: str,
    event: Any,
    args: tuple[Any, ...],
    context: Mapping[str, Any],
    fields: Mapping[str, Any],
) -> tuple[str, dict[str, Any], int] | None:
    """Take a snapshot of a log call. Never raises.

    A call that can't be processed is logged as it is, with the error in the field `problem`.

    Returns:
        The event's type or text, a snapshot of its context and fields, and their approximate size
        in bytes; None if a processor in the caller dropped the event.
    """
    captured = call_guarded(_capture, logger, level, event, args, context, fields)
    if captured is None:
        return None
    if isinstance(captured, Failure):
        copied = {name: snapshot(value) for name, value in {**context, **fields}.items()}
        captured = text_of(event), {**copied, "problem": describe(captured.error)}
    text, copied = captured
    if _NO_FIELDS.issuperset(fields) and text not in CATALOGUE and "message" not in copied:
        # A single word without fields is not an event type: its table would be empty.
        text, copied = "message", {"message": text, **copied}
    return text, copied, len(text) + memory_bytes(copied.values())


def _capture(
    logger: Any,
    level: str,
    event: Any,
    args: tuple[Any, ...],
    context: Mapping[str, Any],
    keywords: Mapping[str, Any],
) -> tuple[str, dict[str, Any]] | None:
    event, fields = read_arguments(logger._logger.name, event, args, context, keywords)
    if logger._processors:
        processed = _run_caller_processors(logger, level, {**fields, "event": event})
        if processed is None:
            return None
        fields = processed
        event = text_of(fields.pop("event", event))
    exc_info = fields.pop("exc_info", None)
    if fields.pop("stack_info", None):
        fields["stack"] = "".join(traceback.format_stack(_find_caller()))
    limit = max_elements(event)
    copied = {name: snapshot(value, limit) for name, value in fields.items()}
    if exc_info := _find_exception(exc_info):
        copied.update(exception_fields(exc_info))
    return event, copied


def _find_caller() -> FrameType | None:
    """Return the frame of the log call: the innermost one that isn't in this package."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and _is_own(str(frame.f_globals.get("__name__"))):
        frame = frame.f_back
    return frame


def _is_own(module: str) -> bool:
    return module.startswith("logflume.") and not module.startswith("logflume.demo.")


def _run_caller_processors(
    logger: Any, level: str, fields: dict[str, Any]
) -> dict[str, Any] | None:
    """Return the fields after all processors; None if one dropped the event.

    structlog's processors find the caller by the frame in `_ASYNC_CALLING_STACK`, in which
    structlog passes the caller of a coroutine to another thread.
    """
    processed: Mapping[str, Any] = fields
    problem = None
    caller = _find_caller()
    token = None if caller is None else _ASYNC_CALLING_STACK.set(caller)
    try:
        for processor in logger._processors:
            result = processor(logger._logger, level, dict(processed))
            if isinstance(result, Mapping):
                processed = result
            else:  # a renderer, usually the last of structlog's processors
                name = getattr(processor, "__name__", type_name(processor))
                problem = f"{name} must return a dict, not {type_name(result)}"
    except structlog.DropEvent:
        return None
    finally:
        if token is not None:
            _ASYNC_CALLING_STACK.reset(token)
    own = {"level": level, "logger": logger._logger.name}
    if not is_type_name(fields["event"]):
        own["message"] = fields["event"]  # which `EventRenamer("message")` adds as well
    kept = {
        name: value
        for name, value in processed.items()
        if name in fields or name not in _EVERYWHERE or value != own.get(name, value)
    }
    return kept if problem is None else {"problem": problem, **kept}


def _find_exception(value: Any) -> ExcInfo | None:
    """Resolve `exc_info` as Python's logging does: an exception, a triple, or any true value."""
    if isinstance(value, BaseException):
        return type(value), value, value.__traceback__
    if isinstance(value, tuple) and len(value) == 3:
        return value if isinstance(value[1], BaseException) else None
    if not value:
        return None
    exc_type, error, trace = sys.exc_info()
    return (exc_type, error, trace) if exc_type is not None and error is not None else None


def exception_fields(exc_info: ExcInfo) -> dict[str, Any]:
    """Return an exception as fields: type, message, formatted traceback and frames.

    The traceback is formatted immediately: in the buffer, it would keep alive every tensor that
    its frames refer to.
    """
    exc_type, error, trace = exc_info
    message = call_guarded(str, error)
    text = call_guarded(lambda: "".join(traceback.format_exception(exc_type, error, trace)))
    return {
        "exception/type": f"{exc_type.__module__}.{exc_type.__qualname__}".removeprefix(
            "builtins."
        ),
        "exception/message": describe(error) if isinstance(message, Failure) else message,
        "exception/traceback": describe(error) if isinstance(text, Failure) else text,
        "exception/frames": [
            f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)
        ],
    }
