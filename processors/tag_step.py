"""Gives each event the step and mode that `set_step` had set when the call was made."""

from __future__ import annotations

from typing import Any

from logflume.events.reserved import POSITION

__all__ = ["tag_step"]


def tag_step(_logger: Any, _method_name: str, event_dict: dict[str, Any]) -> dict[str, Any]:
    """Fill `step` and `mode` where neither the logger nor the call gave one.

    A callback calls `set_step` for the trainer, so events of a training need no step of their own.
    """
    step, mode = event_dict.get(POSITION) or (None, None)
    if step is not None and event_dict.get("step") is None:
        event_dict["step"] = step
    if mode is not None and event_dict.get("mode") is None:
        event_dict["mode"] = mode
    return event_dict


tag_step.detachable = True  # type: ignore[attr-defined]
