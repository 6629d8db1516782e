"""Records of Python's `logging` and warnings, forwarded as `message` events.

A handler is added to each configured logger. A library that calls `dictConfig` removes handlers
and disables loggers. To restore the handler afterwards, this module replaces `dictConfigClass`,
which `logging.config` documents as its extension point.
"""

from __future__ import annotations

import logging
import logging.config
import sys
import warnings
from collections.abc import Mapping
from typing import Any

from logflume.config.model import StdlibConfig
from logflume.guard import Failure, call_guarded, describe
from logflume.logger.logger import get_logger
from logflume.values.snapshot import PendingArray, key_text, snapshot, unique_name

__all__ = ["install", "uninstall"]

_WARNINGS_LOGGER = "py.warnings"


_OWN_ATTRIBUTES = {
    *vars(logging.makeLogRecord({})),
    *("message", "asctime", "taskName"),  # set by formatters and by Python 3.12
}
"""Attributes of a record that are not fields of `extra`."""

_OF_STRUCTLOG = {"_logger", "_name"}
"""Names that structlog's ProcessorFormatter adds to `extra` if the message is a mapping."""


class _EventHandler(logging.Handler):
    """Turns a log record into an event, once, however many loggers it propagates through."""

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "logflume_emitted", False):
            return
        fields: dict[str, Any] = {"source": f"{record.pathname}:{record.lineno}"}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        if record.stack_info:
            fields["stack"] = record.stack_info
        _add(fields, "message", _message_fields(record))
        _add(fields, "extra", _extra_fields(record))
        record.logflume_emitted = True
        # The text is a field: as first argument, a single word would become the event type.
        get_logger(record.name).log(record.levelno, "message", **fields)


def _add(fields: dict[str, Any], origin: str, added: Mapping[Any, Any]) -> None:
    """Add fields; the name of a field that already exists gets its origin as a prefix."""
    for key, value in added.items():
        name = key_text(key)
        fields[unique_name(f"{origin}/{name}" if name in fields else name, fields)] = value


def _extra_fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return what `extra` added to a record."""
    own = _OWN_ATTRIBUTES | (_OF_STRUCTLOG if type(record.msg) is dict else set())
    return {name: value for name, value in vars(record).items() if name not in own}


def _message_fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return a record's message as fields: its text, or the entries of a mapping.

    structlog passes a mapping to its `ProcessorFormatter`, with the text in `event`.
    """
    message = snapshot(record.msg)
    args = {"args": record.args} if record.args else {}
    if isinstance(message, dict):
        if "event" in message and "message" not in message:
            message = {"message": message.pop("event"), **message}
        return {**message, **args}
    if isinstance(message, PendingArray):
        return {"message": message, **args}
    text = call_guarded(record.getMessage)
    if isinstance(text, Failure):
        text = f"{message} (its arguments don't match: {describe(text.error)})"
    elif "%" in str(message):
        args = {}  # they are in the text; a text without placeholders ignores a mapping
    return {"message": text.rstrip("\n"), **args}


class _Bridge:
    """The handler on its loggers, and the loggers' previous state."""

    def __init__(self, config: StdlibConfig, has_console: bool) -> None:
        self._config = config
        self._has_console = has_console
        self._handler = _EventHandler(config.level)
        self._names = [*config.loggers, *([_WARNINGS_LOGGER] if config.warnings else [])]
        self._removed_handlers: list[tuple[logging.Logger, logging.Handler]] = []
        self._leveled_loggers: list[logging.Logger] = []
        self._captures_warnings = False

    def attach(self) -> None:
        """Add the handler to every logger that doesn't have it, and enable the loggers."""
        for name in self._names:
            logger = logging.getLogger(name)
            _enable(name)
            if logger.level == logging.NOTSET:
                # Otherwise the root's level applies: WARNING, even if a lower one is configured.
                logger.setLevel(self._config.level)
                self._leveled_loggers.append(logger)
            if self._has_console:
                self._remove_terminal_handlers(logger)
            if self._handler not in logger.handlers:
                logger.addHandler(self._handler)
        if self._config.warnings and not self._captures_warnings:
            before = warnings.showwarning
            logging.captureWarnings(True)
            self._captures_warnings = warnings.showwarning is not before

    def detach(self) -> None:
        """Restore the loggers' previous state."""
        for name in self._names:
            logging.getLogger(name).removeHandler(self._handler)
        for logger in self._leveled_loggers:
            if logger.level == self._handler.level:
                logger.setLevel(logging.NOTSET)
        for logger, handler in self._removed_handlers:
            logger.addHandler(handler)
        self._leveled_loggers.clear()
        self._removed_handlers.clear()
        if self._captures_warnings:
            logging.captureWarnings(False)
            self._captures_warnings = False

    def _remove_terminal_handlers(self, logger: logging.Logger) -> None:
        # The console already shows the event: a handler that prints it would duplicate it.
        for handler in list(logger.handlers):
            stream = getattr(handler, "stream", None)
            if type(handler) is logging.StreamHandler and stream in (sys.stderr, sys.stdout):
                logger.removeHandler(handler)
                self._removed_handlers.append((logger, handler))


def _enable(name: str) -> None:
    """Enable a logger and its children after `disable_existing_loggers`."""
    for logger_name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and f"{logger_name}.".startswith(f"{name}."):
            logger.disabled = False


_bridge: _Bridge | None = None
_original: Any = None


def install(config: StdlibConfig, *, has_console: bool) -> None:
    """Forward records of the configured loggers to the pipeline.

    Args:
        config: The loggers and their lowest level.
        has_console: Whether a console shows the events. If so, handlers that print to the
            terminal are removed until `uninstall`.
    """
    global _bridge, _original
    uninstall()
    bridge = _bridge = _Bridge(config, has_console)
    bridge.attach()
    _original = logging.config.dictConfigClass

    class Configurator(_original):  # type: ignore[misc]
        def configure(self) -> None:
            super().configure()
            bridge.attach()

    logging.config.dictConfigClass = Configurator


def uninstall() -> None:
    """Undo `install`: restore loggers, handlers and `dictConfigClass`."""
    global _bridge
    if _bridge is not None:
        _bridge.detach()
        _bridge = None
        logging.config.dictConfigClass = _original
