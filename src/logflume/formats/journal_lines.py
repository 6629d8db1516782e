"""The lines of a journal: their positions, and the events they hold."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import orjson

from logflume.events.catalogue import CATALOGUE
from logflume.events.reserved import RESERVED_NAMES, EventBase
from logflume.events.times import is_timestamp
from logflume.protocols import Position
from logflume.runs.info import RunInfo
from logflume.values.coerce import coerce
from logflume.values.declared import declared_kind
from logflume.values.kinds import INT64_MAX, MISFIT
from logflume.values.plain import NONFINITE_NAMES

__all__ = [
    "TORN",
    "JournalLine",
    "event_type_filter",
    "find_position",
    "find_step",
    "find_type",
    "find_writer_position",
    "parse_event",
    "parse_header",
    "read_line",
]


# The reserved names come first, and quotes within texts are escaped: the first match is the
# event's own. A position has at most 19 digits, as many as an int64.
_POSITION = re.compile(
    rb'"attempt": ?(\d{1,19}), ?"rank": ?\d+, ?(?:"process": ?"[^"]*", ?)?"seq": ?(\d{1,19})[,}]'
)


def find_position(line: bytes) -> Position | None:
    """Return the position of a journal line; None if logflume didn't write the line."""
    match = _POSITION.search(line)
    return None if match is None else (int(match[1]), int(match[2]))


_STEP = re.compile(rb'"seq": ?\d{1,19}, ?"step": ?(-?\d{1,19})[,}]')


def find_step(line: bytes) -> int | None:
    """Return the step of a journal line; None if it has none, or logflume didn't write it."""
    match = _STEP.search(line)
    return None if match is None else int(match[1])


# As with `_POSITION`, the first match is the event's own.
_WRITER_POSITION = re.compile(
    rb'"run":"([^"]*)","attempt":(\d{1,19}),"rank":(\d{1,19}),"seq":(\d{1,19})[,}]'
)


def find_writer_position(line: bytes, run: RunInfo) -> Position | None:
    """Return the position of a line that this run and rank wrote; None for any other line."""
    match = _WRITER_POSITION.search(line)
    if match is None or match[1] != run.run.encode() or int(match[3]) != run.rank:
        return None
    return int(match[2]), int(match[4])


_TYPE = re.compile(rb'"event":("(?:[^"\\\\]|\\\\.)*"),')


def find_type(line: bytes) -> bytes | None:
    """Return the event type of a journal line, as JSON; None if logflume didn't write the line."""
    match = _TYPE.search(line) if line.startswith(_START) else None
    return None if match is None else match[1]


PIPELINE = b'"pipeline"'
"""The type of the pipeline's reports, which have the steps of the events that caused them."""

_START = b'{"timestamp":"'
"""How a line begins. In another layout, for example edited by hand, it must be parsed."""


def event_type_filter(event_type: str) -> Callable[[bytes], bool]:
    """Return a predicate: whether a line may be an event of this type, judged without parsing."""
    pattern = b'"event":' + orjson.dumps(event_type) + b","

    def may_match(line: bytes) -> bool:
        return pattern in line or not line.startswith(_START)

    return may_match


def parse_event(line: bytes) -> dict[str, Any]:
    """Return the event of a line as sinks get it, with NaN and infinities restored.

    Whatever this accepts, every reader can read: the reserved names have their types, and every
    value is a scalar or a list of scalars. Fields of another kind than declared are accepted.

    Raises:
        ValueError: The line is not JSON, or not an event; the message says why.
    """
    event = orjson.loads(line)
    _restore(event, EventBase)
    return event  # type: ignore[no-any-return]  # the schema accepts only an object


_header = msgspec.json.Decoder(EventBase)


def parse_header(line: bytes) -> EventBase:
    """Return the reserved fields of a line, in a tenth of the time that its event takes.

    Raises:
        ValueError: The line is not JSON, or they don't have their types; the message says why.
    """
    try:
        header = _header.decode(line)
    except (msgspec.MsgspecError, RecursionError):
        header = msgspec.convert(parse_event(line), EventBase)  # or explains it
    _check_numbers(header)
    _check_timestamp(header.timestamp)
    return header


def _restore(event: Any, schema: type[EventBase]) -> None:
    """Check a JSON value against a schema, and restore its NaN and infinities.

    Raises:
        ValueError: It is not a valid event of the schema.
    """
    reserved = msgspec.convert(event, schema)
    _check_numbers(reserved)
    _check_timestamp(reserved.timestamp)
    nonfinite = event.pop("nonfinite", None)
    _check_flat(event)
    if nonfinite is None:
        return
    for name, text in nonfinite.items():
        _restore_value(event, name, text)
    event["nonfinite"] = nonfinite


def _check_numbers(event: EventBase) -> None:
    if min(event.attempt, event.rank, event.seq) < 0:
        raise ValueError("`attempt`, `rank` or `seq` is negative")
    if max(event.attempt, event.rank, event.seq, abs(event.step or 0)) > INT64_MAX:
        raise ValueError("`attempt`, `rank`, `seq` or `step` is too large")


def _check_timestamp(text: str) -> None:
    if not is_timestamp(text):
        raise ValueError(f"{text!r} is not an RFC 3339 timestamp")
    try:
        datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"the timestamp {text!r} is out of range") from error


_NESTED = frozenset({list, dict})


def _check_flat(event: dict[str, Any]) -> None:
    types = set(map(type, event.values()))
    if types.isdisjoint(_NESTED):
        return
    for name, value in event.items():
        if type(value) is dict or (
            type(value) is list and not _NESTED.isdisjoint(map(type, value))
        ):
            raise ValueError(f"the value of {name!r} is nested")


def _restore_value(event: dict[str, Any], name: str, text: str) -> None:
    """Restore one value: `name` is a field, or a field and an index in its list, as in `a.0`."""
    holder: Any = event
    key: str | int = name
    if event.get(name, 0) is not None:  # otherwise a field, though its name may have a dot
        field, _, index = name.rpartition(".")
        holder, key = event.get(field), int(index) if index.isdecimal() else -1
        if not (type(holder) is list and 0 <= key < len(holder) and holder[key] is None):
            raise ValueError(f"`nonfinite` names {name!r}, which is not a null of the event")
    if name in RESERVED_NAMES or text not in NONFINITE_NAMES:
        raise ValueError(f"`nonfinite` has {text!r} for {name!r}")
    holder[key] = float(text)


TORN = "torn last line"

_INVALID = "events that don't match the schema"


class JournalLine(NamedTuple):
    """A line of a journal.

    Attributes:
        path: Its file.
        number: Its number in the file, from 1.
        raw: The bytes of the line, with the newline.
        event: The event, with NaN and infinities restored and `nonfinite` kept; None if the line
            is not a valid event.
        fault: Why the line is not a valid event; empty if it is.
    """

    path: Path
    number: int
    raw: bytes
    event: dict[str, Any] | None
    fault: str = ""


def read_line(path: Path, number: int, line: bytes, run: RunInfo | None) -> JournalLine:
    """Return a line with its event, if it is valid in every respect, fields included.

    Args:
        path: Its file.
        number: Its number in the file, from 1.
        line: The line.
        run: The identity of the journal's writer; None if that isn't known yet.
    """
    if not line.endswith(b"\n"):
        return JournalLine(path, number, line, None, TORN)
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return JournalLine(path, number, line, None, "lines that are not JSON")
    if not isinstance(event, dict):
        return JournalLine(path, number, line, None, "lines that are not events")
    fault = _find_fault(event, run)
    return JournalLine(path, number, line, event if fault is None else None, fault or "")


def _find_fault(event: dict[str, Any], run: RunInfo | None) -> str | None:
    """Return what is wrong with an event; None if it is valid. Restores NaN and infinities."""
    event_type = event.get("event")
    declared = CATALOGUE.get(event_type) if isinstance(event_type, str) else None
    try:
        _restore(event, declared or EventBase)
    except ValueError:
        return _INVALID
    if not all(_fits(value, event["event"], name) for name, value in event.items()):
        return _INVALID
    if run is None:
        return None
    owner = (event["run"], event["rank"], event.get("process"))
    return None if owner == (run.run, run.rank, run.process) else "events of another journal"


def _fits(value: Any, event_type: str, name: str) -> bool:
    kind = None if name in RESERVED_NAMES else _kind(event_type, name)
    return kind is None or coerce(value, kind, False) is not MISFIT


_kind = lru_cache(maxsize=65_536)(declared_kind)
