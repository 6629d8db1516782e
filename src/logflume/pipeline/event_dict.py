"""From a log call in the buffer to the event dict that runs through the chain."""

from __future__ import annotations

from typing import Any

from logflume.events.reserved import POSITION, RESERVED_FOR_PIPELINE, is_type_name
from logflume.events.times import format_time
from logflume.pipeline.records import Call
from logflume.values.plain import PLAIN_TYPES, plain, valid_text

__all__ = ["header", "to_event_dict"]


_TAKEN = RESERVED_FOR_PIPELINE | {"message"}


def to_event_dict(call: Call) -> dict[str, Any]:
    """Return the event dict of a log call, all values plain.

    The first argument of the call is the event's type when it is an identifier
    (`reward`, `kl.spike`), else the text of a `message`. Fields that bear a reserved name are
    gathered in the mapping `extras`.
    """
    time_ns, logger, level, event_type, context, fields, position = call
    fields = {**context, **fields} if context else fields
    event = header(time_ns, level, logger, event_type)
    if not is_type_name(event_type):
        event["event"] = "message"
        event["message"] = valid_text(event_type)
    # All names in one look, for hardly ever is one odd.
    if "".join(fields).isascii() and _TAKEN.isdisjoint(fields):
        event.update(fields)
        if not PLAIN_TYPES.issuperset(map(type, fields.values())):
            _make_plain(event, fields)
    else:
        _add_each(event, fields)
    event[POSITION] = position
    return event


def header(time_ns: int, level: str, logger: str, event_type: str) -> dict[str, Any]:
    """Return what every event dict begins with."""
    return {
        "timestamp": format_time(time_ns),
        "level": level,
        "logger": logger,
        "event": event_type,
    }


def _make_plain(event: dict[str, Any], fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        kind = type(value)
        if kind not in PLAIN_TYPES and not (kind is str and value.isascii()):
            event[name] = plain(value)


def _add_each(event: dict[str, Any], fields: dict[str, Any]) -> None:
    extras: dict[str, Any] = {}
    for name, value in fields.items():
        name = name if name.isascii() else valid_text(name)
        if name in RESERVED_FOR_PIPELINE or name in event:
            extras[name] = plain(value)
        else:
            event[name] = plain(value)
    if extras:
        event["extras"] = extras
