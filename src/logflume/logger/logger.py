"""The logger: structlog's bound logger, with everything after the call left to the worker.

structlog documents custom wrapper classes that override `_proxy_to_logger`; `EventLogger` is one.
The level methods don't go through it: each function on the way, with its copy of the keyword
arguments, costs as much as the rest of the call. `bind` is written out for the same reason, and
`new` accepts a field of any name. `unbind` and `try_unbind` are structlog's.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from time import time_ns
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from logflume.events.catalogue import CATALOGUE
from logflume.events.reserved import LEVELS
from logflume.logger.arguments import parse_level
from logflume.logger.capture import capture
from logflume.logger.channels import CHANNELS, as_channel
from logflume.values.snapshot import ATOMIC_TYPES, NUMBER_TYPES, memory_bytes

if TYPE_CHECKING:
    from typing import Self

    class _BoundLogger:
        """The types of what comes from structlog, whose bases are untyped here."""

        _logger: Any
        _processors: Any
        _context: dict[str, Any]

        def __init__(self, logger: Any, processors: Any, context: dict[str, Any]) -> None: ...
        def unbind(self, *keys: str) -> Self: ...
        def try_unbind(self, *keys: str) -> Self: ...

else:
    _BoundLogger = structlog.make_filtering_bound_logger(0)

__all__ = ["EventLogger", "get_logger"]

Method = TypeVar("Method", bound=Callable[..., Any])

LONG_TEXT = 256
"""Number of characters from which the text of a call counts towards its record's memory."""

_NO_CONTEXT: dict[str, Any] = {}

_are_atomic = ATOMIC_TYPES.issuperset
_are_numbers = NUMBER_TYPES.issuperset
_new = object.__new__


def _with_docs_of(method: Callable[..., Any], implementation: Any) -> Any:
    implementation.__name__ = method.__name__
    implementation.__qualname__ = method.__qualname__
    implementation.__doc__ = method.__doc__
    return implementation


def _logs_at(level: str) -> Callable[[Method], Method]:
    """Give a method that has only a signature and a docstring the code that logs at a level.

    A call is one function: a further one on the way would add a twentieth to its time.
    """
    number = LEVELS.get(level, 20)
    is_urgent = number >= LEVELS["error"]

    def log(self: Any, event: Any = None, /, *args: Any, **fields: Any) -> None:
        channel = self._logger
        if channel.level > number:
            return
        called_ns = time_ns()
        context = self._context
        if len(copy_context()):
            context = {**structlog.contextvars.get_contextvars(), **context}
        size_bytes = None
        if not (
            args
            or self._processors
            or type(event) is not str
            or "exc_info" in fields
            or "stack_info" in fields
            or "exc_info" in context
            or "stack_info" in context
        ):
            try:
                if _are_atomic(map(type, context.values())):
                    if _are_numbers(map(type, fields.values())):
                        size_bytes = 0 if len(event) < LONG_TEXT else len(event)
                    elif _are_atomic(map(type, fields.values())):
                        size_bytes = len(event) + memory_bytes(fields.values())
            except TypeError:
                pass  # a metaclass that defines `__eq__` makes its classes unhashable
        if size_bytes is None:
            captured = capture(self, level, event, args, context, fields)
            if captured is None:
                return
            event, fields, size_bytes = captured
            context = _NO_CONTEXT
        elif not fields and event not in CATALOGUE and "message" not in context:
            event, fields = "message", {"message": event}
        name, step_and_mode, buffer = channel.name, CHANNELS.step_and_mode, CHANNELS.buffer
        buffer.put((called_ns, name, level, event, context, fields, step_and_mode, size_bytes))
        if is_urgent:
            buffer.wake.set()

    return lambda method: _with_docs_of(method, log)


def _awaitable(name: str) -> Callable[[Method], Method]:
    """Make a coroutine call the method `name`; logging never waits, so it needs no thread."""

    async def log(self: Any, /, *args: Any, **fields: Any) -> None:
        getattr(self, name)(*args, **fields)

    return lambda method: _with_docs_of(method, log)


class EventLogger(_BoundLogger):
    """A bound logger whose calls become events.

    A call stamps the time, copies what is mutable and puts the result into a buffer. It does no I/O
    and never raises. The configuration in force determines the levels, also of loggers that are
    older than it.

    `bind`, `unbind` and `new` keep the class of a subclass.

    >>> log = get_logger("training").bind(step=3)
    >>> log.info("reward", correctness=[2.0, 0.0], format=[0.5, 0.5])
    """

    def __init__(self, logger: Any, processors: Any, context: dict[str, Any]) -> None:
        # structlog wraps any logger. Of a logger of another library, only the name is used.
        super().__init__(as_channel(logger), processors, context)

    def bind(self, /, **new_values: Any) -> Self:
        """Return a logger with these fields added to those that are already bound."""
        context = self._context
        values = {**context, **new_values} if context else new_values
        kind = type(self)
        if kind is not EventLogger:
            return kind(self._logger, self._processors, values)
        bound = _new(kind)
        bound._logger = self._logger
        bound._processors = self._processors
        bound._context = values
        return bound

    def new(self, /, **new_values: Any) -> Self:
        """Return a logger with only these fields."""
        return type(self)(self._logger, self._processors, new_values)

    @_logs_at("debug")
    def debug(self, event: Any = None, /, *args: Any, **fields: Any) -> None:
        """Log at debug level."""

    @_logs_at("info")
    def info(self, event: Any = None, /, *args: Any, **fields: Any) -> None:
        """Log at info level."""

    @_logs_at("warning")
    def warning(self, event: Any = None, /, *args: Any, **fields: Any) -> None:
        """Log at warning level."""

    @_logs_at("error")
    def error(self, event: Any = None, /, *args: Any, **fields: Any) -> None:
        """Log at error level. The worker writes the event immediately."""

    @_logs_at("critical")
    def critical(self, event: Any = None, /, *args: Any, **fields: Any) -> None:
        """Log at critical level. The worker writes the event immediately."""

    def log(
        self, level: int | str | None = None, event: Any = None, /, *args: Any, **fields: Any
    ) -> None:
        """Log at a level given as a number or a name; a number between two counts as the lower.

        An invalid level counts as info; the field `problem` says why.
        """
        if level is None:
            level = fields.pop("level", None)
        number, problem = parse_level(level)
        if self._logger.level <= number:
            _, name = max((n, name) for name, n in LEVELS.items() if n <= max(number, 10))
            if problem is not None:
                if not (args or fields) and type(event) is str:
                    event, fields = "message", {"message": event}
                fields.setdefault("problem", problem)
            getattr(self, name)(event, *args, **fields)

    def exception(self, event: Any = None, /, *args: Any, **fields: Any) -> None:
        """Log at error level, with the exception being handled."""
        fields.setdefault("exc_info", True)
        self.error(event, *args, **fields)

    msg = info
    warn = warning
    fatal = critical

    @_awaitable("debug")
    async def adebug(self, event: Any = None, /, *args: Any, **fields: Any) -> None:
        """Do what `debug` does, as a coroutine."""

    @_awaitable("info")
    async def ainfo(self, event: Any = None, /, *args: Any, **fields: Any) -> None:
        """Do what `info` does, as a coroutine."""

    @_awaitable("warning")
    async def awarning(self, event: Any = None, /, *args: Any, **fields: Any) -> None:
        """Do what `warning` does, as a coroutine."""

    @_awaitable("error")
    async def aerror(self, event: Any = None, /, *args: Any, **fields: Any) -> None:
        """Do what `error` does, as a coroutine."""

    @_awaitable("critical")
    async def acritical(self, event: Any = None, /, *args: Any, **fields: Any) -> None:
        """Do what `critical` does, as a coroutine."""

    @_awaitable("exception")
    async def aexception(self, event: Any = None, /, *args: Any, **fields: Any) -> None:
        """Do what `exception` does, as a coroutine."""

    @_awaitable("log")
    async def alog(
        self, level: int | str | None = None, event: Any = None, /, *args: Any, **fields: Any
    ) -> None:
        """Do what `log` does, as a coroutine."""

    amsg = ainfo
    awarn = awarning
    afatal = acritical

    def is_enabled_for(self, level: int | str) -> bool:
        """Whether a call of this level, a number or a name, would be logged."""
        return bool(parse_level(level)[0] >= self._logger.level)

    def get_effective_level(self) -> int:
        """Return the number of the lowest level that is logged."""
        return int(self._logger.level)

    def _proxy_to_logger(self, method_name: str, event: Any = None, /, **fields: Any) -> None:
        method = getattr(type(self), method_name, type(self).info)
        method(self, event, **fields)


def get_logger(name: str = "training", **context: Any) -> EventLogger:
    """Return a logger, with `context` bound to it.

    Call it anywhere and at any time, also before `initialize()`: the first 10,000 events that are
    logged until then are kept and delivered.

    Args:
        name: Name of the logger, which determines its level and sinks in the configuration.
        context: Fields that every event of this logger has.
    """
    return EventLogger(CHANNELS.channel(name), CHANNELS.caller_processors, dict(context))
