"""Python's own logging as `message` events: libraries, warnings.

The configured loggers get one handler. A library that calls `dictConfig` removes handlers
and disables loggers; `logging.config` documents `dictConfigClass` as the place to change
what such a call does, and that is where the handler is put back.
"""

from __future__ import annotations

import logging
import logging.config
import sys
import warnings
from typing import Any

from logflume.config.model import StdlibConfig
from logflume.guard import Failure, call_guarded, describe
from logflume.logger.logger import get_logger
from logflume.values.snapshot import snapshot

__all__ = ["install", "uninstall"]

_WARNINGS_LOGGER = "py.warnings"


class _EventHandler(logging.Handler):
    """Turns a record of Python's logging into an event, once, however many loggers it passes."""

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "logflume_taken", False):
            return
        record.logflume_taken = True
        text = call_guarded(record.getMessage)
        if isinstance(text, Failure):
            text = f"{snapshot(record.msg)} (its arguments don't fit: {describe(text.error)})"
        fields: dict[str, Any] = {"source": f"{record.pathname}:{record.lineno}"}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        if record.stack_info:
            fields["stack"] = record.stack_info
        # A text of one word must not become an event's type.
        get_logger(record.name).log(record.levelno, "message", message=text.rstrip("\n"), **fields)


class _Bridge:
    """The handler on its loggers, and what it found there."""

    def __init__(self, config: StdlibConfig, takes_terminal: bool) -> None:
        self._config = config
        self._takes_terminal = takes_terminal
        self._handler = _EventHandler(config.level)
        self._names = [*config.loggers, *([_WARNINGS_LOGGER] if config.warnings else [])]
        self._moved_aside: list[tuple[logging.Logger, logging.Handler]] = []
        self._given_levels: list[logging.Logger] = []
        self._captures_warnings = False

    def attach(self) -> None:
        """Put the handler on every logger that lacks it, and let the loggers speak again."""
        for name in self._names:
            logger = logging.getLogger(name)
            _enable(name)
            if logger.level == logging.NOTSET:
                # It would have the root's, WARNING: then a lower level of ours were without effect.
                logger.setLevel(self._config.level)
                self._given_levels.append(logger)
            if self._takes_terminal:
                self._move_terminal_handlers(logger)
            if self._handler not in logger.handlers:
                logger.addHandler(self._handler)
        if self._config.warnings and not self._captures_warnings:
            before = warnings.showwarning
            logging.captureWarnings(True)
            self._captures_warnings = warnings.showwarning is not before

    def detach(self) -> None:
        """Leave the loggers as they were found."""
        for name in self._names:
            logging.getLogger(name).removeHandler(self._handler)
        for logger in self._given_levels:
            if logger.level == self._handler.level:
                logger.setLevel(logging.NOTSET)
        for logger, handler in self._moved_aside:
            logger.addHandler(handler)
        self._given_levels.clear()
        self._moved_aside.clear()
        if self._captures_warnings:
            logging.captureWarnings(False)
            self._captures_warnings = False

    def _move_terminal_handlers(self, logger: logging.Logger) -> None:
        # The console shows the event; a handler that prints the record would show it twice.
        for handler in list(logger.handlers):
            stream = getattr(handler, "stream", None)
            if type(handler) is logging.StreamHandler and stream in (sys.stderr, sys.stdout):
                logger.removeHandler(handler)
                self._moved_aside.append((logger, handler))


def _enable(name: str) -> None:
    """Undo what `disable_existing_loggers` did to a logger and its children."""
    for found, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and f"{found}.".startswith(f"{name}."):
            logger.disabled = False


_bridge: _Bridge | None = None
_original: Any = None


def install(config: StdlibConfig, *, takes_terminal: bool) -> None:
    """Let the configured loggers feed the pipeline.

    Args:
        config: Which loggers, from which level.
        takes_terminal: Whether a console shows the events, so that the handlers which print
            to the terminal are put aside until `uninstall`.
    """
    global _bridge, _original
    uninstall()
    bridge = _bridge = _Bridge(config, takes_terminal)
    bridge.attach()
    _original = logging.config.dictConfigClass

    class Configurator(_original):  # type: ignore[misc]
        def configure(self) -> None:
            super().configure()
            bridge.attach()

    logging.config.dictConfigClass = Configurator


def uninstall() -> None:
    """Undo `install`."""
    global _bridge
    if _bridge is not None:
        _bridge.detach()
        _bridge = None
        logging.config.dictConfigClass = _original
