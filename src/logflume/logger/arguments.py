"""What the positional arguments of a log call mean: an event type, a text, or fields.

| call | event |
|---|---|
| `info("training", loss=0.5)` | of the type that the first argument names |
| `info("loss %.2f", 0.5)` | a message, formatted as `logging` and structlog do |
| `info({"loss": 0.5})` | of the logger's own type, with the fields of the mapping |
| `info("loss", 0.5)` | of the logger's own type, with this field |
| `info("training", {"loss": 0.5})` | of the declared type, with the fields of the mapping |
| `info(event="training", loss=0.5)` | as if `event` were the first argument |

This module also interprets the level of `log`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from logflume.events.catalogue import CATALOGUE
from logflume.events.reserved import LEVELS, is_metric_name
from logflume.guard import Failure, call_guarded, describe, type_name, unreadable
from logflume.values.arrays import MAX_ELEMENTS, PendingArray
from logflume.values.snapshot import MAX_ITEMS, key_text, snapshot

__all__ = ["max_elements", "own_type", "parse_level", "read_arguments", "text_of"]

_OWN_TYPES = {"reward": "reward", "model": "model_output", "system": "system"}
_PLACEHOLDER = "%"
_NO_PLACEHOLDER = "TypeError: the text has no placeholders for the arguments"


def own_type(logger: str) -> str:
    """Return the event type of fields that a logger is given without one.

    >>> own_type("reward"), own_type("model.eval"), own_type("my.module")
    ('reward', 'model_output', 'training')
    """
    return _OWN_TYPES.get(logger.partition(".")[0], "training")


def max_elements(event_type: str) -> int:
    """Return the number of values up to which an array stays a list in events of a type.

    A reward function has one value for each completion, however large the batch is.
    """
    return MAX_ITEMS if event_type == "reward" else MAX_ELEMENTS


def read_arguments(
    logger: str,
    event: Any,
    args: tuple[Any, ...],
    context: Mapping[str, Any],
    keywords: Mapping[str, Any],
) -> tuple[str, dict[str, Any]]:
    """Return the event type or text of a call, and all of its fields.

    Fields of the call replace bound ones, and keywords replace entries of a mapping. Arguments
    without a meaning are kept in the field `args`, with the reason in `problem`.

    Args:
        logger: Name of the logger.
        event: First positional argument; None if there is none.
        args: Further positional arguments.
        context: What is bound to the logger.
        keywords: Keyword arguments of the call.
    """
    if event is None:
        event = {**context, **keywords}.get("event")
        context = {name: value for name, value in context.items() if name != "event"}
        keywords = {name: value for name, value in keywords.items() if name != "event"}
    fields = {**context, **keywords}
    given = event if type(event) is str else snapshot(event, max_elements(own_type(logger)))
    if given is None:
        given = ""
    if type(given) is not str:
        return _reject(args, *_read_object(logger, given, fields, keywords))
    if not args:
        return given, fields
    if _PLACEHOLDER in given:
        return _interpolate(given, args, fields)
    if len(args) == 1 and not issubclass(type(args[0]), BaseException):
        value = snapshot(args[0], max_elements(own_type(logger)))
        if isinstance(value, dict) and given in CATALOGUE:
            return given, {**fields, **value, **keywords}
        if given not in keywords and is_metric_name(given):
            return own_type(logger), {**fields, given: value}
    return _reject(args, given, fields)


def _read_object(
    logger: str, copied: Any, fields: dict[str, Any], keywords: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Interpret the snapshot of a first argument that isn't text."""
    if isinstance(copied, dict):
        event_type = copied.pop("event", None)
        merged = {**fields, **copied, **keywords}
        return own_type(logger) if event_type is None else text_of(event_type), merged
    if isinstance(copied, bytes):
        return text_of(copied), fields
    # An array is converted by the worker: the copy from the GPU may still be in flight.
    text = copied if isinstance(copied, PendingArray) else text_of(copied)
    if "message" in fields:
        return "message", {**fields, "args": [text]}
    return "message", {"message": text, **fields}


def _reject(
    args: tuple[Any, ...], event: str, fields: dict[str, Any], problem: str = _NO_PLACEHOLDER
) -> tuple[str, dict[str, Any]]:
    return event, {**fields, "args": list(args), "problem": problem} if args else fields


def _interpolate(
    event: str, args: tuple[Any, ...], fields: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Format placeholders as structlog does: by name from one mapping, else by position."""
    values: Any = args[0] if len(args) == 1 and isinstance(args[0], dict) and args[0] else args
    formatted = call_guarded(event.__mod__, values)
    if isinstance(formatted, Failure):
        return _reject(args, event, fields, describe(formatted.error))
    return str(formatted), fields


def text_of(value: Any) -> str:
    """Return a value as the text of an event. Never raises."""
    copied = snapshot(value)
    decoding = ("utf-8", "replace") if type(copied) is bytes else ()
    text = call_guarded(str, copied, *decoding)
    if isinstance(text, Failure):
        return unreadable(type_name(value), text.error)
    return text


def parse_level(level: Any) -> tuple[float, str | None]:
    """Return the number of a level, and what is wrong with an invalid one. Never raises.

    A level is a number, or a level's name here or in Python's `logging`, in any case. Anything
    else counts as `info`.

    >>> parse_level("INFO"), parse_level("warn"), parse_level(25)
    ((20, None), (30, None), (25, None))
    """
    if type(level) is int:
        return level, None
    number = call_guarded(_find_level, level)
    if isinstance(number, Failure):
        return LEVELS["info"], f"{key_text(level)!r} is not a level; it is logged as info"
    return number, None


def _find_level(level: Any) -> float:
    value = snapshot(level)
    if isinstance(value, str):
        name = value.strip().upper()
        named = {**logging.getLevelNamesMapping(), "EXCEPTION": LEVELS["error"]}
        value = named[name] if name in named else int(name)
    if not isinstance(value, (int, float)) or value != value:
        raise TypeError(level)
    return value
