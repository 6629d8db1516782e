"""Conversion of records to the event dicts that run through the processor chain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from logflume.events.reserved import (
    RESERVED_FOR_PIPELINE,
    STEP_AND_MODE,
    is_metric_name,
    is_type_name,
)
from logflume.events.times import format_time
from logflume.pipeline.records import RecordColumns, RecordTuple, StepAndMode
from logflume.redaction.events import (
    ALWAYS_SEARCHED_EVENTS,
    ALWAYS_SEARCHED_FIELDS,
    redact_always,
)
from logflume.values.meant_types import find_meant_type
from logflume.values.plain import PLAIN_TYPES, plain, plain_names, valid_text
from logflume.values.steps import place_of

__all__ = ["to_event_columns", "to_event_dict"]

Hint = Callable[[str, str, StepAndMode | None], None]

_TEXTS = frozenset({str})
_WITHOUT_TYPE = (
    "a call with fields but without an event type is recorded as a message; "
    'write log.info("training", loss=0.5) or log.info({"loss": 0.5})'
)
_NAMED = (
    "{name} can't be an event type, which is an identifier such as val_loss, so it is recorded as "
    "a message; for a metric write log.info({{{name}: 0.5}})"
)
_SIMILAR = (
    "{} can't be an event type, which is an identifier, so it is recorded as a message; did you "
    "mean {!r}?"
)
_TAKEN = RESERVED_FOR_PIPELINE | {"message"}


def to_event_dict(
    record: RecordTuple, hint: Hint = lambda _kind, _advice, _place: None
) -> dict[str, Any]:
    """Return the event dict of a record, all values plain.

    The first argument of the call is the event type if it is an identifier (`reward`, `kl.spike`),
    else the text of a `message`. Fields with a reserved name are collected in the mapping `extras`.
    Secrets in settings, command lines and exceptions are replaced.
    An `evaluation` has the mode `eval`, unless the call or the logger gives another one.

    Args:
        record: The record.
        hint: Called with the kind of call, advice, and the step, if a message was probably meant
            to be a metric or an event of a declared type.
    """
    time_ns, logger, level, event_type, context, fields, step_and_mode, _ = record
    fields = {**context, **fields} if context else fields
    if not _TEXTS.issuperset(map(type, fields)):
        fields = dict(zip(plain_names(fields), fields.values(), strict=True))
    event: dict[str, Any] = {
        "timestamp": format_time(time_ns),
        "level": level,
        "logger": logger,
        "event": event_type,
    }
    if not is_type_name(event_type):
        event["event"] = "message"
        event["message"] = valid_text(event_type)
        if fields:
            _advise(hint, event_type, {**fields, STEP_AND_MODE: step_and_mode})
    # All names are checked at once, because one is rarely reserved or not ASCII.
    if "".join(fields).isascii() and _TAKEN.isdisjoint(fields):
        event.update(fields)
        if not PLAIN_TYPES.issuperset(map(type, fields.values())):
            _make_plain(event, fields)
    else:
        _add_each(event, fields)
    if event_type == "evaluation" and event.get("mode") is None:
        event["mode"] = "eval"  # set here, so that `tag_step` doesn't add that of the training
    if _is_always_searched(event["event"], fields):
        redact_always(event)
    event[STEP_AND_MODE] = step_and_mode
    return event


def _advise(hint: Hint, event_type: str, fields: Mapping[str, Any]) -> None:
    """Give a hint if a message with fields was probably meant to be another event."""
    place, name = place_of(fields), repr(event_type)
    if not event_type:
        hint("calls without an event type", _WITHOUT_TYPE, place)
    elif is_metric_name(event_type):
        meant = find_meant_type(event_type, fields)
        advice = _NAMED.format(name=name) if meant is None else _SIMILAR.format(name, meant)
        hint("messages", advice, place)


def to_event_columns(records: RecordColumns) -> dict[str, Sequence[Any]] | None:
    """Return the event dicts of records by column; None if they must be made one by one."""
    names, event_type = records.names, records.event
    has_plain_names = _TEXTS.issuperset(map(type, names)) and "".join(names).isascii()
    # An `evaluation` has a mode of its own.
    has_type = is_type_name(event_type) and event_type != "evaluation"
    if not (has_type and has_plain_names and _TAKEN.isdisjoint(names)):
        return None
    if _is_always_searched(event_type, names):
        return None
    count = len(records.times_ns)
    timestamps = {time_ns: format_time(time_ns) for time_ns in set(records.times_ns)}
    return {
        "timestamp": [timestamps[time_ns] for time_ns in records.times_ns],
        "level": [records.level] * count,
        "logger": [records.logger] * count,
        "event": [event_type] * count,
        **dict(zip(names, map(_plain_column, records.columns), strict=True)),
        STEP_AND_MODE: list(zip(records.steps, records.modes, strict=True)),
    }


def _is_always_searched(event_type: str, names: Iterable[str]) -> bool:
    return event_type in ALWAYS_SEARCHED_EVENTS or not ALWAYS_SEARCHED_FIELDS.isdisjoint(names)


def _plain_column(values: Sequence[Any]) -> Sequence[Any]:
    kinds = set(map(type, values))
    if kinds <= PLAIN_TYPES or (kinds == _TEXTS and all(map(str.isascii, values))):
        return values
    return [plain(value) for value in values]


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
