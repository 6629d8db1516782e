"""The logger: structlog's, with everything after the call deferred to the worker.

structlog documents custom wrapper classes that override `_proxy_to_logger`; `EventLogger` is one.
The level methods take the same path directly, because each hop of `**kwargs` costs as much as
the rest of the call, and so does `bind`. `unbind`, `try_unbind` and `new` are structlog's.
"""

from __future__ import annotations

from contextvars import copy_context
from time import time_ns
from typing import Any

import structlog

from logflume.events.reserved import LEVELS
from logflume.logger.capture import capture
from logflume.logger.channels import CHANNELS
from logflume.values.snapshot import ATOMIC_TYPES

__all__ = ["EventLogger", "get_logger"]

_NOTHING: dict[str, Any] = {}

_are_atomic = ATOMIC_TYPES.issuperset
_new: Any = object.__new__

_Base: Any = structlog.make_filtering_bound_logger(0)


def _awaitable(name: str) -> Any:
    """Return the async form of a method. A log call has nothing to wait for, so needs no thread."""

    async def method(self: Any, /, *args: Any, **fields: Any) -> None:
        getattr(self, name)(*args, **fields)

    method.__name__ = method.__qualname__ = f"a{name}"
    method.__doc__ = f"Do what `{name}` does, in a coroutine."
    return method


def _level_method(level: str, more: str = "") -> Any:
    """Return the method that logs at a level.

    All of a call is in one function: one more on the way takes a twentieth of its time.
    """
    number = LEVELS.get(level, 20)
    is_urgent = number >= LEVELS["error"]

    def method(self: Any, event: Any = None, /, *args: Any, **fields: Any) -> None:
        channel = self._logger
        if channel.level > number:
            return
        called_ns = time_ns()
        context = self._context
        if len(copy_context()):
            context = {**structlog.contextvars.get_contextvars(), **context}
        if (
            args
            or self._processors
            or type(event) is not str
            or "exc_info" in fields
            or "stack_info" in fields
            or "exc_info" in context
            or "stack_info" in context
            or not _are_atomic(map(type, context.values()))
            or not _are_atomic(map(type, fields.values()))
        ):
            captured = capture(self, level, event, args, {**context, **fields})
            if captured is None:
                return
            event, fields = captured
            context = _NOTHING
        buffer = CHANNELS.buffer
        buffer.put((called_ns, channel.name, level, event, context, fields, CHANNELS.position))
        if is_urgent:
            buffer.wake.set()

    method.__name__ = level
    method.__qualname__ = f"EventLogger.{level}"
    method.__doc__ = f"Log at {level} level.{more}"
    return method


class EventLogger(_Base):  # type: ignore[misc]
    """A bound logger whose calls become events.

    A call stamps the time, copies what is mutable and puts all of it in a buffer. It does no I/O
    and never raises. Levels follow the configuration in force, also for loggers made before it.

    >>> log = get_logger("training").bind(step=3)
    >>> log.info("reward", correctness=[2.0, 0.0], format=[0.5, 0.5])
    """

    def bind(self, **new_values: Any) -> EventLogger:
        """Return a logger with these fields beside those that are bound already."""
        bound: EventLogger = _new(EventLogger)
        bound._logger = self._logger
        bound._processors = self._processors
        context = self._context
        bound._context = {**context, **new_values} if context else new_values
        return bound

    debug = _level_method("debug")
    info = _level_method("info")
    warning = _level_method("warning")
    error = _level_method("error", " The worker writes it at once.")
    critical = _level_method("critical", " The worker writes it at once.")

    def log(self, level: int, event: Any = None, /, *args: Any, **fields: Any) -> None:
        """Log at a numeric level; one between two names counts as the lower."""
        if self._logger.level <= level:
            _, name = max((n, name) for name, n in LEVELS.items() if n <= max(level, 10))
            getattr(self, name)(event, *args, **fields)

    def exception(self, event: Any = None, /, *args: Any, **fields: Any) -> None:
        """Log at error level with the exception being handled."""
        fields.setdefault("exc_info", True)
        self.error(event, *args, **fields)

    msg = info
    warn = warning
    fatal = critical
    adebug = _awaitable("debug")
    ainfo = amsg = _awaitable("info")
    awarning = awarn = _awaitable("warning")
    aerror = _awaitable("error")
    acritical = afatal = _awaitable("critical")
    aexception = _awaitable("exception")
    alog = _awaitable("log")

    def is_enabled_for(self, level: int) -> bool:
        """Whether a call of this level would be logged."""
        return bool(level >= self._logger.level)

    def get_effective_level(self) -> int:
        """The number of the lowest level that is logged."""
        return int(self._logger.level)

    def _proxy_to_logger(self, method_name: str, event: Any = None, /, **fields: Any) -> None:
        _level_method(method_name)(self, event, **fields)


def get_logger(name: str = "training", **context: Any) -> EventLogger:
    """Return a logger, with `context` bound to it.

    It may be called anywhere and at any time, before `initialize()` too: what is logged then
    is kept (the first 10,000 events) and delivered.

    Args:
        name: Name of the logger, by which the configuration chooses level and sinks.
        context: Fields that every event of this logger has.
    """
    return EventLogger(CHANNELS.channel(name), CHANNELS.caller_processors, dict(context))
