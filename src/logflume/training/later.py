"""Logging a batch of events."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from logflume.logger import get_logger
from logflume.training.rollouts import Entry

__all__ = ["log_later"]


def log_later(entries: Callable[[], Iterable[Entry]]) -> None:
    """Log the events that `entries` yields."""
    for logger, event, fields in entries():
        get_logger(logger).info(event, **fields)
