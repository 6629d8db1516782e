"""From an event dict to the finished event: flat, typed, numbered.

This is where the types of a run are fixed. A value that doesn't fit its column goes to `extras`,
as JSON text, and is counted; nothing is lost and no column has two types.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from logflume.events import CATALOGUE
from logflume.run import RunInfo
from logflume.values.columns import Kind, declared_kind
from logflume.values.fit import MISFIT, find_kind, fit
from logflume.values.plain import MAX_TEXT, json_text, nonfinite_name, plain
from logflume.values.unpack import POSITION, RESERVED_FOR_PIPELINE, is_type_name

__all__ = ["MAX_ADHOC_TYPES", "Normalizer"]

MAX_ADHOC_TYPES = 64
"""Types beyond the catalogue that a run may have; events of later ones become `message`."""

MAX_FIELDS = 10_000
"""Undeclared fields a type whose kind is remembered; later ones go to `extras`."""

_HEADER = frozenset({"timestamp", "level", "logger", "event"})
_LEVELS = frozenset({"debug", "info", "warning", "error", "critical"})
_MODES = frozenset({"train", "eval"})


class Normalizer:
    """Finishes events, one after another. Used by the worker only.

    Args:
        run: The run that the events belong to.
        kinds: Kinds of undeclared fields by event type, from an earlier attempt.

    Attributes:
        seq: Number of the next event.
        kinds: Kinds of the undeclared fields seen so far, by event type.
        has_new_kinds: Whether a kind was added since somebody last set this to False.
        misfits: How many values went to `extras` because they didn't fit their column.
    """

    def __init__(self, run: RunInfo, kinds: dict[str, dict[str, Kind]] | None = None) -> None:
        self.seq = 0
        self.misfits = 0
        self.has_new_kinds = False
        self.kinds: dict[str, dict[str, Kind]] = kinds or {}
        self._run = run

    def finish(self, event_dict: dict[str, Any]) -> dict[str, Any]:
        """Return the finished event and count it in `seq`."""
        event_dict.pop(POSITION, None)
        extras = _as_mapping(event_dict.pop("extras", None))
        event_type = self._find_type(event_dict)
        event: dict[str, Any] = {
            "timestamp": event_dict.get("timestamp"),
            "level": event_dict.get("level") if event_dict.get("level") in _LEVELS else "info",
            "logger": str(event_dict.get("logger")),
            "event": event_type,
            "run": self._run.run,
            "attempt": self._run.attempt,
            "rank": self._run.rank,
            "seq": self.seq,
            "step": None,
        }
        nonfinite: dict[str, str] = {}
        for name, value in _flatten(event_type, event_dict):
            self._add(event, event_type, name, value, extras)
            _note_nonfinite(nonfinite, name, event.get(name))
        if extras:
            event["extras"] = json_text(extras)
        if nonfinite:
            event["nonfinite"] = nonfinite
        self.seq += 1
        return event

    def _find_type(self, event_dict: dict[str, Any]) -> str:
        name = event_dict.get("event")
        if not isinstance(name, str) or not is_type_name(name):
            name = "message"
        if name in CATALOGUE or name in self.kinds:
            return name
        if sum(known not in CATALOGUE for known in self.kinds) < MAX_ADHOC_TYPES:
            self.kinds[name] = {}
            self.has_new_kinds = True
            return name
        event_dict.setdefault("message", name)
        return "message"

    def _add(
        self, event: dict[str, Any], event_type: str, name: str, value: Any, extras: dict[str, Any]
    ) -> None:
        if name in RESERVED_FOR_PIPELINE or (name in event and name != "step"):
            extras[name] = value
            return
        kind = declared_kind(event_type, name)
        fitted = self._fit(event_type, name, value, kind)
        if fitted is MISFIT or (name == "mode" and fitted not in _MODES and fitted is not None):
            self.misfits += 1
            extras[name] = value
        elif type(fitted) is str and len(fitted) > MAX_TEXT:
            event[name] = fitted[:MAX_TEXT]
            extras[name] = {"cut_to": MAX_TEXT, "length": len(fitted)}
        elif name != "mode" or fitted is not None:
            event[name] = fitted

    def _fit(self, event_type: str, name: str, value: Any, declared: Kind | None) -> Any:
        if declared is not None:
            return fit(value, declared, True)
        kinds = self.kinds.setdefault(event_type, {})
        kind = kinds.get(name)
        if kind is None:
            kind = find_kind(value)
            if kind is None:
                return value
            if len(kinds) >= MAX_FIELDS:
                return MISFIT
            fitted = fit(value, kind, False)
            if fitted is not MISFIT:
                kinds[name] = kind
                self.has_new_kinds = True
            return fitted
        return fit(value, kind, False)


def _flatten(
    event_type: str, fields: dict[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yield the fields, with the entries of mappings joined by `/`.

    A mapping whose column is declared as text stays whole, as JSON.
    """
    for key, value in fields.items():
        name = prefix + key
        if name in _HEADER:
            continue
        if type(value) is dict and value and declared_kind(event_type, name) is not Kind.TEXT:
            yield from _flatten(event_type, value, name + "/")
        else:
            # Processors of strangers may leave anything behind.
            yield name, plain(value)


def _note_nonfinite(nonfinite: dict[str, str], name: str, value: Any) -> None:
    if type(value) is float:
        if not math.isfinite(value):
            nonfinite[name] = nonfinite_name(value)
    elif type(value) is list and value and type(value[0]) is not str:
        for index, item in enumerate(value):
            if type(item) is float and not math.isfinite(item):
                nonfinite[f"{name}.{index}"] = nonfinite_name(item)


def _as_mapping(extras: Any) -> dict[str, Any]:
    if isinstance(extras, dict):
        return extras
    return {} if extras is None else {"extras": plain(extras)}
