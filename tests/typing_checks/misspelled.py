"""Misspelled methods of loggers.

`mypy --strict` warns about an `ignore` without an error: it passes only if it finds all of them.
"""

from __future__ import annotations

import logflume
from logflume.logger import EventLogger


def misspell(log: EventLogger) -> None:
    """Call methods that don't exist."""
    log.inf("x")  # type: ignore[attr-defined]
    log.bind(a=1).wornin("x")  # type: ignore[attr-defined]
    logflume.get_logger("x").inf("y")  # type: ignore[attr-defined]
    log.new().inf("x")  # type: ignore[attr-defined]
    log.unbind("a").inf("x")  # type: ignore[attr-defined]
    log.try_unbind("a").inf("x")  # type: ignore[attr-defined]
    logflume.get_training_logger().inf("x")  # type: ignore[attr-defined]
