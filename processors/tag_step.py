"""Adds to each event the step and mode that were set at the time of the log call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from logflume.events.reserved import STEP_AND_MODE
from logflume.logger.channels import CHANNELS
from logflume.protocols import EventDict
from logflume.values.plain import plain
from logflume.values.steps import parse_mode, parse_step

__all__ = ["tag_step"]


def tag_step(logger: Any, _method_name: str, event_dict: EventDict) -> EventDict:
    """Set `step` and `mode` from `set_step`, unless the logger or the call provides them.

    The callbacks call `set_step` for the trainer, so log calls during training don't need to pass
    a step. The processor works in the same way in a chain of plain structlog.
    """
    # The worker passes the name of a logger. It runs later, so the record has the step and mode.
    if isinstance(logger, str):
        step, mode = event_dict.get(STEP_AND_MODE) or (None, None)
    else:
        step, mode = map(plain, CHANNELS.step_and_mode)
        step, mode = parse_step(step), parse_mode(mode)
    if step is not None and event_dict.get("step") is None:
        event_dict["step"] = step
    if mode is not None and event_dict.get("mode") is None:
        event_dict["mode"] = mode
    return event_dict


def _process_columns(columns: dict[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """Set `step` and `mode` of several events, by column."""
    pairs = columns.get(STEP_AND_MODE, ())
    for index, name in enumerate(("step", "mode")):
        current = [pair[index] for pair in pairs]
        given = columns.get(name)
        if given is None:
            if current.count(None) < len(current):
                columns[name] = current
        elif None in given:
            columns[name] = [
                value if one is None else one for one, value in zip(given, current, strict=True)
            ]
    return columns


tag_step.detachable = True  # type: ignore[attr-defined]
tag_step.process_columns = _process_columns  # type: ignore[attr-defined]
