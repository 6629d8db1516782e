"""Replaces tokens, keys and passwords in events with `[redacted]`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from logflume.events.reserved import JSON_TEXT_FIELDS, RESERVED_FOR_PIPELINE
from logflume.protocols import EventDict
from logflume.redaction.events import ALWAYS_SEARCHED_FIELDS, MODEL_EVENTS, MODEL_FIELDS
from logflume.redaction.values import redact_json, redact_value

__all__ = ["RedactSecrets"]

_CHECKED_TYPES = (str, list, dict)
_CHECKED = frozenset(_CHECKED_TYPES)


class RedactSecrets:
    """A processor that replaces secrets with `[redacted]`.

    It searches all texts of an event for secrets of known forms (`ghp_…`) and for those that a text
    assigns to a name (`password=…`), and it replaces the text of a field that is named like a
    secret (`api_key`, `db.password`). What a model wrote or read is data, and isn't altered:
    `MODEL_FIELDS` (`logflume.redaction.events`) in any event, and in a `model_output` all fields
    except those that are named like a secret.

    Even without this processor, settings, command lines and exceptions are searched.

    Args:
        events: Event types in which the texts that a model wrote or read are searched as well.
    """

    detachable = True

    def __init__(self, *, events: list[str] | None = None) -> None:
        self._fully_searched = frozenset(events or ())

    def __call__(self, _logger: Any, _method_name: str, event_dict: EventDict) -> EventDict:
        """Replace the secrets of the event."""
        event_type = event_dict.get("event")
        for name, value in event_dict.items():
            if isinstance(value, _CHECKED_TYPES) and name not in RESERVED_FOR_PIPELINE:
                event_dict[name] = self._redact(event_type, str(name), value)
        return event_dict

    def process_columns(self, columns: dict[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
        """Replace the secrets in several events, by column."""
        event_type = columns["event"][0]
        for name, values in columns.items():
            if name not in RESERVED_FOR_PIPELINE and not _CHECKED.isdisjoint(map(type, values)):
                columns[name] = [
                    self._redact(event_type, name, value)
                    if isinstance(value, _CHECKED_TYPES)
                    else value
                    for value in values
                ]
        return columns

    def _redact(self, event_type: Any, name: str, value: Any) -> Any:
        if event_type not in self._fully_searched and name not in ALWAYS_SEARCHED_FIELDS:
            if name in MODEL_FIELDS:
                return value
            if event_type in MODEL_EVENTS:
                # A list is a conversation, or has what a tokenizer calls `token`.
                return value if isinstance(value, list) else redact_value(name, value, search=False)
        if name in JSON_TEXT_FIELDS and isinstance(value, str):
            return redact_json(name, value, search=True)
        return redact_value(name, value, search=True)
