"""Conversion of event dicts to finished events: flat, typed, numbered.

The kinds of a run's fields are determined here. A misfit is counted and kept in `extras` as JSON
text, so no value is lost and no column has two types.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from logflume.events.catalogue import CATALOGUE
from logflume.events.reserved import (
    LEVELS,
    RESERVED_FOR_PIPELINE,
    RESERVED_NAMES,
    STEP_AND_MODE,
    is_type_name,
)
from logflume.events.times import format_time, is_timestamp
from logflume.runs.info import RunInfo
from logflume.values.coerce import (
    coerce,
    is_within_limits,
    truncate_extra,
    truncate_field,
    truncate_name,
)
from logflume.values.columnar import EventColumns
from logflume.values.declared import declared_kind
from logflume.values.finish_columns import finish_columns
from logflume.values.kinds import KINDS, MISFIT, Kind, find_kind
from logflume.values.meant_types import find_meant_type
from logflume.values.plain import (
    brief_json,
    clean_name,
    json_text,
    note_nonfinite,
    plain,
    plain_mapping,
)
from logflume.values.snapshot import unique_name
from logflume.values.steps import MODES, PARSERS, place_of

__all__ = ["MAX_ADHOC_TYPES", "Normalizer"]

MAX_ADHOC_TYPES = 64
"""Maximum number of undeclared event types in a run; events of further types become `message`."""

MAX_FIELDS = 10_000
"""Maximum number of undeclared fields per event type; further fields go to `extras`."""

_TOO_MANY_TYPES = (
    f"the limit is {MAX_ADHOC_TYPES} types of your own in a run; events of {{event_type!r}} and "
    "further types become `message` events, with their type in the field `message` or, where that "
    "is taken, in `extras`"
)
_TOO_MANY_FIELDS = (
    f"the limit is {MAX_FIELDS:,} undeclared fields per event type; {{name!r}} and further fields "
    "are kept in `extras`"
)

MAX_MISFIT_REPORTS = 100
"""Maximum number of fields per run whose first misfit is reported; all misfits are counted."""

_MISFIT = "expected {expected}, found {found}; values that don't fit are kept in `extras`"
_TOO_MANY_MISFITS = (
    f"more than {MAX_MISFIT_REPORTS} fields have values that don't fit; those of further fields "
    "are kept in `extras`, too"
)
_MISSPELT = "it isn't declared, so it is recorded as a type of your own; did you mean {meant!r}?"
_NO_TEXT = (
    "expected the text of the completion in the field `model_output`, found only these fields: "
    "{found}"
)
_MAX_NAMES_SHOWN = 8
_TEXTS_OF_A_COMPLETION = ("model_output", "messages", "answer")
_EXACT_NUMBER = "numbers that a 64-bit float holds exactly"

_HEADER = frozenset({"timestamp", "level", "logger", "event", "extras"})
_EXACT: dict[Kind | None, type] = {
    kind: spec.python_type for kind, spec in KINDS.items() if not spec.is_list
}
_CHECKED = RESERVED_FOR_PIPELINE | {"step", "mode"}


Place = tuple[Any, Any] | None
"""Step and mode of an event; None if it doesn't say."""


class Normalizer:
    """Converts event dicts to finished events, one by one. Used only by the worker.

    Args:
        run: The run that the events belong to.
        kinds: Kinds of undeclared fields by event type, from an earlier attempt.
        report: Called with a component, a message, and step and mode of the event, for the first
            misfit of each field, the first event of a type that is probably misspelt, the first
            completion without text, and the first time that a limit is exceeded.

    Attributes:
        seq: The `seq` of the next event.
        kinds: Kinds of the undeclared fields seen so far, by event type.
        has_new_kinds: Whether a kind was added since this was last set to False.
        misfits: Number of values kept in `extras` because they didn't fit their column.
    """

    def __init__(
        self,
        run: RunInfo,
        kinds: dict[str, dict[str, Kind]] | None = None,
        report: Callable[[str, str, Place], None] = lambda _name, _message, _place: None,
    ) -> None:
        self.seq = run.first_seq
        self.misfits = 0
        self.has_new_kinds = False
        self.kinds: dict[str, dict[str, Kind]] = kinds or {}
        self._head: dict[str, Any] = {
            **dict.fromkeys(("timestamp", "level", "logger", "event")),
            "run": run.run,
            "attempt": run.attempt,
            "rank": run.rank,
            **({} if run.process is None else {"process": run.process}),
            "seq": 0,
            "step": None,
        }
        self._exact: dict[str, dict[str, type]] = {}
        self._send_report = report
        self._reported: set[str] = set()
        self._misfit_fields: set[str] = set()
        self._current: tuple[Mapping[str, Any], Place] = ({}, None)

    def finish(self, event_dict: dict[str, Any]) -> dict[str, Any]:
        """Return the finished event and increment `seq`."""
        self._current = event_dict, event_dict.pop(STEP_AND_MODE, None)
        extras = plain_mapping(event_dict.get("extras"))
        event_type = self._find_type(event_dict, extras)
        event: dict[str, Any] = {
            **self._head,
            "timestamp": _checked(event_dict, "timestamp", extras, is_timestamp) or _now(),
            "level": _checked(event_dict, "level", extras, LEVELS.__contains__) or "info",
            "logger": truncate_name(str(plain(event_dict.get("logger")))),
            "event": event_type,
            "seq": self.seq,
        }
        nonfinite: dict[str, str] = {}
        # Fast path: most values fit their column unchanged, and their type shows it.
        exact = self._exact.setdefault(event_type, {})
        for name, value in event_dict.items():
            if exact.get(name) is type(value) and name not in event and is_within_limits(value):
                event[name] = value
            elif name not in _HEADER:
                clean = clean_name(name, event_dict)
                for full_name, item in _flatten(event_type, clean, plain(value)):
                    flat = truncate_name(full_name, event)
                    self._add(event, event_type, flat, item, extras)
                    note_nonfinite(nonfinite, flat, event.get(flat))
                self._remember(event_type, clean, exact)
        if event_type == "model_output":
            self._check_text(event)
        if extras:
            kept = {truncate_name(name): truncate_extra(value) for name, value in extras.items()}
            event["extras"] = json_text(kept)
        if nonfinite:
            event["nonfinite"] = nonfinite
        self.seq += 1
        return event

    def finish_columns(self, columns: Mapping[str, Sequence[Any]]) -> EventColumns | None:
        """Return finished events by column; None if they must be finished one by one.

        Args:
            columns: The columns of at least one event dict.
        """
        event_type = columns["event"][0]
        if event_type not in CATALOGUE and event_type not in self.kinds:
            return None
        head = {**self._head, "seq": self.seq}
        finished = finish_columns(columns, head, self.kinds.get(event_type, {}))
        if finished is not None:
            self.seq += len(finished)
            if event_type == "model_output" and None in columns.get("model_output", (None,)):
                for event in finished:
                    self._check_text(event)
        return finished

    def _find_type(self, fields: dict[str, Any], extras: dict[str, Any]) -> str:
        name = plain(fields.get("event"))
        if isinstance(name, str) and is_type_name(name) and self._has_room_for(name):
            return name
        if name is not None and fields.setdefault("message", name) is not name:
            extras[unique_name("event", extras)] = name
        return "message"

    def _has_room_for(self, event_type: str) -> bool:
        if event_type in CATALOGUE or event_type in self.kinds:
            return True
        if sum(name not in CATALOGUE for name in self.kinds) >= MAX_ADHOC_TYPES:
            self._report_once("event types", _TOO_MANY_TYPES.format(event_type=event_type))
            return False
        self.kinds[event_type] = {}
        self.has_new_kinds = True
        if (meant := find_meant_type(event_type, self._current[0])) is not None:
            self._report(f"event type {event_type!r}", _MISSPELT.format(meant=meant))
        return True

    def _add(
        self, event: dict[str, Any], event_type: str, name: str, value: Any, extras: dict[str, Any]
    ) -> None:
        if name in RESERVED_FOR_PIPELINE or (name in event and name != "step"):
            extras[unique_name(name, extras)] = value
            return
        if name in PARSERS:
            value = PARSERS[name](value)
        coerced = self._coerce(event_type, name, value)
        if name == "mode" and coerced is not None and coerced not in MODES:
            coerced = MISFIT
            self._report_misfit(name, "train or eval", value)
        if coerced is MISFIT:
            self.misfits += 1
            extras[unique_name(name, extras)] = value
        elif name != "mode" or coerced is not None:
            event[name], note = truncate_field(name, coerced)
            if note is not None:
                extras[unique_name(name, extras)] = note

    def _report(self, component: str, message: str) -> None:
        """Report something about the current event."""
        fields, set_by_call = self._current
        self._send_report(component, message, place_of({**fields, STEP_AND_MODE: set_by_call}))

    def _check_text(self, event: Mapping[str, Any]) -> None:
        """Report the first completion that has no text in any form."""
        if any(event.get(name) is not None for name in _TEXTS_OF_A_COMPLETION):
            return
        if "model_output" in self._reported:
            return
        self._reported.add("model_output")
        without = RESERVED_NAMES | {"id"}  # the id is added to every completion
        names = [name for name, v in event.items() if name not in without and v is not None]
        found = ", ".join(names[:_MAX_NAMES_SHOWN]) or "none"
        self._send_report("model_output", _NO_TEXT.format(found=found), place_of(event))

    def _report_once(self, component: str, message: str) -> None:
        if component not in self._reported:
            self._reported.add(component)
            self._report(component, message)

    def _report_misfit(self, name: str, expected: str, value: Any) -> None:
        """Report the first misfit of a field, whose name is with its event type."""
        if name in self._misfit_fields:
            return
        if len(self._misfit_fields) >= MAX_MISFIT_REPORTS:
            self._report_once("misfits", _TOO_MANY_MISFITS)
            return
        self._misfit_fields.add(name)
        self._report(name, _MISFIT.format(expected=expected, found=brief_json(value)))

    def _remember(self, event_type: str, name: str, exact: dict[str, type]) -> None:
        """Store the type of values that fit the field's column unchanged."""
        kind = declared_kind(event_type, name) or self.kinds.get(event_type, {}).get(name)
        if kind in _EXACT and name not in _CHECKED and len(exact) < MAX_FIELDS:
            exact[name] = _EXACT[kind]

    def _coerce(self, event_type: str, name: str, value: Any) -> Any:
        if declared := declared_kind(event_type, name):
            coerced = coerce(value, declared, True)
            if coerced is MISFIT:
                # All events have a step and a mode.
                full_name = name if name in PARSERS else f"{event_type}.{name}"
                self._report_misfit(full_name, KINDS[declared].words, value)
            return coerced
        kinds = self.kinds.setdefault(event_type, {})
        if kind := kinds.get(name):
            coerced = coerce(value, kind, False)
            if coerced is MISFIT:
                expected = f"{KINDS[kind].words}, as the field's first value was"
                self._report_misfit(f"{event_type}.{name}", expected, value)
            return coerced
        kind = find_kind(value)
        if kind is None:
            # An empty list or mapping fits several kinds, so it determines none.
            return None if value is None else MISFIT
        if len(kinds) >= MAX_FIELDS:
            message = _TOO_MANY_FIELDS.format(event_type=event_type, name=name)
            self._report_once(f"fields of {event_type!r}", message)
            return MISFIT
        coerced = coerce(value, kind, False)
        if coerced is not MISFIT:
            kinds[name] = kind
            self.has_new_kinds = True
        else:
            self._report_misfit(f"{event_type}.{name}", _EXACT_NUMBER, value)
        return coerced


def _checked(fields: dict[str, Any], name: str, extras: dict[str, Any], check: Any) -> Any:
    """Return a header field; None if it is missing or invalid. `extras` keeps an invalid value."""
    value = plain(fields.get(name))
    if value is None or (isinstance(value, str) and check(value)):
        return value
    extras[unique_name(name, extras)] = value
    return None


def _now() -> str:
    return format_time(time.time_ns())


def _flatten(event_type: str, name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield a field, or the entries of a mapping with their names joined by `/`.

    A mapping is kept for conversion to JSON if its column is declared as text.
    """
    if type(value) is dict and value and declared_kind(event_type, name) is not Kind.TEXT:
        for key, item in value.items():
            yield from _flatten(event_type, f"{name}/{key}", item)
    else:
        yield name, value
