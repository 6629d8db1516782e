"""What is wrong with an event of a journal: the types of the catalogue, checked."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from logflume.event_base import EventBase
from logflume.events import CATALOGUE
from logflume.reading.journal import restore
from logflume.run import RunInfo
from logflume.values.columns import declared_kind
from logflume.values.fit import INT64_MAX, MISFIT, fit

__all__ = ["find_fault", "put_back_nonfinite"]

_INVALID = "events that are not valid against the schema"
_RESERVED = frozenset(EventBase.__struct_fields__)
_PLAIN = (str, int, float, bool, type(None))


def find_fault(event: Any, run: RunInfo | None) -> str | None:
    """Return what is wrong with what a line of a journal holds; None if it is a valid event.

    Args:
        event: The line's JSON, `nonfinite` as it is there.
        run: Whose journal it is; None if that isn't known yet.
    """
    if not isinstance(event, dict):
        return "lines that are no event"
    try:
        msgspec.convert(event, CATALOGUE.get(event.get("event"), EventBase))  # type: ignore[arg-type]
    except (msgspec.ValidationError, TypeError):
        return _INVALID
    if not (_has_sound_head(event) and _has_plain_fields(event)):
        return _INVALID
    if run is None:
        return None
    owner = (event["run"], event["rank"], event.get("process"))
    return None if owner == (run.run, run.rank, run.process) else "events of another journal"


def put_back_nonfinite(event: dict[str, Any]) -> bool:
    """Put NaN and infinities in their places, and keep `nonfinite`; False if that can't be done."""
    nonfinite = event.get("nonfinite")
    if nonfinite is None:
        return True
    try:
        restore(event)
    except (KeyError, IndexError, ValueError, TypeError):
        return False
    event["nonfinite"] = nonfinite
    return True


def _has_sound_head(event: dict[str, Any]) -> bool:
    numbers = (event["attempt"], event["rank"], event["seq"])
    if min(numbers) < 0 or max(*numbers, abs(event["step"] or 0)) > INT64_MAX:
        return False
    try:
        return datetime.fromisoformat(event["timestamp"]).tzinfo is not None
    except ValueError:
        return False


def _has_plain_fields(event: dict[str, Any]) -> bool:
    event_type = event["event"]
    return all(
        _is_fine(value, event_type, name) for name, value in event.items() if name not in _RESERVED
    )


def _is_fine(value: Any, event_type: str, name: str) -> bool:
    kind = _kind(event_type, name)
    if kind is not None:
        return fit(value, kind, False) is not MISFIT
    return isinstance(value, _PLAIN) or (
        isinstance(value, list) and all(isinstance(item, _PLAIN) for item in value)
    )


_kind = lru_cache(maxsize=65_536)(declared_kind)
