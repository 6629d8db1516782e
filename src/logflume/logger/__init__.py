"""The caller's side of logging: loggers, and everything between a log call and the buffer."""

from __future__ import annotations

from logflume.logger.logger import EventLogger, get_logger

__all__ = ["EventLogger", "get_logger"]
