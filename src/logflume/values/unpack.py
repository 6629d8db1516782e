"""From a log call in the buffer to the event dict that runs through the chain."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from logflume.pipeline.items import Call
from logflume.values.plain import PLAIN_TYPES, plain, valid_text

__all__ = [
    "MAX_TYPE_LENGTH",
    "POSITION",
    "RESERVED_FOR_PIPELINE",
    "format_time",
    "header",
    "is_type_name",
    "unpack",
]

POSITION = "_position"
"""Where `tag_step` finds the step and mode that `set_step` gave; gone after the chain."""

RESERVED_FOR_PIPELINE = frozenset(
    {"timestamp", "level", "logger", "event", "run", "attempt", "rank", "seq"}
    | {"process", "extras", "nonfinite", POSITION, ""}
)
"""Names that a user's field can't take: such a field is kept in `extras`."""

_TAKEN = RESERVED_FOR_PIPELINE | {"message"}

MAX_TYPE_LENGTH = 100
"""Characters of a type's name; longer text is a message."""

_TYPE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


def unpack(call: Call) -> dict[str, Any]:
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


def is_type_name(text: str) -> bool:
    """Whether a text can name an event's type.

    >>> is_type_name("kl.spike"), is_type_name("Learning rate may be too high")
    (True, False)
    """
    # The length first: a cache must not keep long messages alive.
    return len(text) <= MAX_TYPE_LENGTH and _matches_type_name(text)


@lru_cache(maxsize=1024)
def _matches_type_name(text: str) -> bool:
    return _TYPE_NAME.fullmatch(text) is not None


def format_time(time_ns: int) -> str:
    """Return a time as RFC 3339 in UTC with microseconds.

    >>> format_time(1_000_000_000)
    '1970-01-01T00:00:01.000000Z'
    """
    seconds, rest_ns = divmod(time_ns, 1_000_000_000)
    # Cutting digits out of text takes half as long as formatting a number to six of them.
    return f"{_format_second(seconds)}.{str(1_000_000_000 + rest_ns)[1:7]}Z"


@lru_cache(maxsize=64)
def _format_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
