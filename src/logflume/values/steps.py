"""Steps and modes as users give them: numbers as text, the many names of an evaluation."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from logflume.events.reserved import STEP_AND_MODE

__all__ = ["MODES", "PARSERS", "parse_mode", "parse_step", "place_of"]

MODES = frozenset({"train", "eval"})
"""The modes of events."""

_INTEGER = re.compile(r"\s*[+-]?\d{1,18}\s*", re.ASCII)

_MODE_NAMES = {
    "train": "train",
    "training": "train",
    "eval": "eval",
    "evaluation": "eval",
    "evaluate": "eval",
    "validation": "eval",
    "validate": "eval",
    "valid": "eval",
    "val": "eval",
    "dev": "eval",
    "test": "eval",
    "testing": "eval",
}


def parse_step(value: Any) -> Any:
    """Return the step that a plain value stands for, such as `"3"`, else the value unchanged.

    >>> parse_step("3"), parse_step([4]), parse_step("three")
    (3, 4, 'three')
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    return value


def parse_mode(value: Any) -> Any:
    """Return the mode that a plain value names, `train` or `eval`, else the value unchanged.

    >>> parse_mode("Validation"), parse_mode("warmup")
    ('eval', 'warmup')
    """
    return _MODE_NAMES.get(value.strip().lower(), value) if isinstance(value, str) else value


def place_of(event: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """Return the step of an event as `set_step` would set it; None if the event doesn't say.

    Args:
        event: An event dict, anywhere in the processor chain, or a finished event.

    >>> place_of({"step": 3, "seq": 7}), place_of({"loss": 0.5})
    ((3, None), None)
    """
    step = parse_step(event.get("step"))
    if type(step) is int:
        return step, None
    place: tuple[Any, Any] | None = event.get(STEP_AND_MODE)
    return (None, None) if place is None and "seq" in event else place


PARSERS: dict[str, Callable[[Any], Any]] = {"step": parse_step, "mode": parse_mode}
"""The parser of each of the two fields."""
