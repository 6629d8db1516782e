"""Conversion of event dicts, given by column, to finished events that stay columns.

The result is that of `Normalizer.finish` for each event. Only columns in which every value fits are
converted, so there are no misfits, no new fields and nothing for `extras`; that covers nearly all
batches except the first of a run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any

from logflume.events.reserved import LEVELS, RESERVED_FOR_PIPELINE, STEP_AND_MODE
from logflume.events.times import is_timestamp
from logflume.values.coerce import MAX_NAME, coerce
from logflume.values.columnar import EventColumns
from logflume.values.declared import declared_kind
from logflume.values.kinds import INT64_MAX, KINDS, MISFIT, Kind
from logflume.values.plain import MAX_TEXT, note_nonfinite, plain, valid_text
from logflume.values.steps import MODES, PARSERS

__all__ = ["finish_columns"]

_HEADER = ("timestamp", "level", "logger", "event")
_HASHABLE = frozenset({int, str})


def finish_columns(
    columns: Mapping[str, Sequence[Any]],
    head: Mapping[str, Any],
    kinds: Mapping[str, Kind],
) -> EventColumns | None:
    """Return the finished events; None if they must be finished one by one.

    Args:
        columns: The columns of at least one event dict. `timestamp` is the one that the pipeline
            has set.
        head: The reserved names in order, with their values; `seq` is that of the first event.
        kinds: The kinds of the undeclared fields of this event type.
    """
    count = len(columns["event"])
    header = {name: columns[name] for name in _HEADER}
    if not _is_valid_header(header):
        return None
    finished: dict[str, Sequence[Any]] = {name: [value] * count for name, value in head.items()}
    finished |= header
    finished["seq"] = list(range(head["seq"], head["seq"] + count))
    for name, values in columns.items():
        if name in header or name == STEP_AND_MODE:
            continue
        if not _is_valid_name(name):
            return None
        kept = _fit(name, values, header["event"][0], kinds)
        if kept is None:
            return None
        if name != "mode" or kept.count(None) < count:
            finished[name] = kept
    return EventColumns(finished)


def _is_valid_header(header: Mapping[str, Sequence[Any]]) -> bool:
    """Whether the header fields are valid, and all but the timestamp the same for all events."""
    if any(set(map(type, values)) != {str} for values in header.values()):
        return False
    timestamps, *constants = map(set, header.values())
    level, logger, _ = (values[0] for values in list(header.values())[1:])
    return (
        all(len(values) == 1 for values in constants)
        and all(map(is_timestamp, timestamps))
        and level in LEVELS
        and len(logger) <= MAX_NAME
        and valid_text(logger) is logger
    )


def _is_valid_name(name: Any) -> bool:
    if type(name) is not str or name in RESERVED_FOR_PIPELINE:
        return False
    return name.isascii() and len(name) <= MAX_NAME


def _fit(
    name: str, values: Sequence[Any], event_type: str, kinds: Mapping[str, Kind]
) -> Sequence[Any] | None:
    """Return the values of a field as its column holds them; None if one of them doesn't fit."""
    declared = declared_kind(event_type, name)
    kind = declared or kinds.get(name)
    types = set(map(type, values))
    if types == {NoneType}:
        return values
    if kind is None:
        return None  # the first value determines it
    is_checked_at_once = name not in PARSERS and not KINDS[kind].is_list
    if is_checked_at_once and types <= KINDS[kind].exact_types and _is_valid(values, kind):
        return values
    if name in PARSERS and len(values) > 1 and types <= _HASHABLE and len(set(values)) == 1:
        same = _fit(name, values[:1], event_type, kinds)  # the events of a batch are of one step
        return None if same is None else [same[0]] * len(values)
    given = [plain(value) for value in values]
    if declared is not Kind.TEXT and any(type(value) is dict for value in given):
        return None  # a mapping has a field for each entry
    if name in PARSERS:
        given = list(map(PARSERS[name], given))
    if name == "mode" and not all(type(value) is str and value in MODES for value in given):
        return None
    coerced = [coerce(value, kind, declared is not None) for value in given]
    return coerced if all(map(_is_kept_whole, coerced)) else None


def _is_valid(values: Sequence[Any], kind: Kind) -> bool:
    """Whether values of a column's own type are within its limits."""
    present = [value for value in values if value is not None]
    if kind is Kind.TEXT:
        return all(len(text) <= MAX_TEXT and text.isascii() for text in present)
    if kind is Kind.INTEGER:
        return all(abs(number) <= INT64_MAX for number in present)
    return kind is Kind.BOOLEAN or math.isfinite(sum(present))


def _is_kept_whole(value: Any) -> bool:
    """Whether a coerced value needs no note in `extras` or `nonfinite`."""
    if value is MISFIT:
        return False
    nonfinite: dict[str, str] = {}
    note_nonfinite(nonfinite, "value", value)
    texts = value if isinstance(value, list) else [value]
    is_short = all(len(text) <= MAX_TEXT for text in texts if isinstance(text, str))
    return is_short and not nonfinite
