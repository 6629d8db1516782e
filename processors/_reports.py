"""Reports of processors: what they can't do, as `pipeline` events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from logflume.logger.channels import CHANNELS
from logflume.logger.logger import get_logger
from logflume.values.steps import place_of

__all__ = ["find_logger", "report_limited"]


def find_logger(name: str) -> Any:
    """Return the logger through which a processor logs events of its own.

    In a chain of plain structlog, such an event goes where the other events go.
    """
    return (structlog.get_logger if CHANNELS.is_held else get_logger)(name)


def report_limited(component: str, reason: str, event: Mapping[str, Any]) -> None:
    """Log that a processor does less than was expected.

    Args:
        component: Name of the processor in the configuration.
        reason: What it doesn't do, and why.
        event: The event that shows it, whose step the report has.
    """
    step, _ = place_of(event) or (None, None)
    find_logger("system").warning(
        "pipeline",
        status="limited",
        component=component,
        reason=reason,
        message=f"{component}: {reason}.",
        **({} if step is None else {"step": step}),
    )
