"""Replaces the secrets in the values of an event."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from itertools import count
from types import NoneType
from typing import Any

from logflume.redaction.field_names import Secrecy, is_folder_or_number, secrecy
from logflume.redaction.randomness import is_random
from logflume.redaction.texts import REDACTED, redact_text
from logflume.threads import NATIVE_CALLS

__all__ = ["redact_json", "redact_value"]

_SHORTEST_KEY = 16
"""Characters of a key that is searched; what is recognized without a name is longer."""

_LABELS = ("name", "Name", "key", "Key", "variable")
_VALUES = frozenset({"value", "Value"})
_ACCOUNTS = frozenset({"user", "username", "user_name", "login", "account"})
_HAS_ALL_KINDS = re.compile(r"(?=\S*[a-z])(?=\S*[A-Z])(?=\S*\d)\S{8,200}")

_CONTAINERS = frozenset({list, dict})
_WITHOUT_TEXT = frozenset({int, float, bool, NoneType})


def redact_value(name: str, value: Any, *, search: bool) -> Any:
    """Return a value without its secrets, at any depth of lists and mappings.

    Args:
        name: The name of the field, option or variable. If it names a secret, all texts of the
            value are replaced.
        value: The value.
        search: Whether texts are searched for secrets, whatever the names.
    """
    if isinstance(value, str):
        if _is_secret(name, value):
            return REDACTED
        return redact_text(value) if search else value
    if isinstance(value, dict):
        hidden = name if secrecy(name) is Secrecy.CERTAIN else None
        redacted: dict[Any, Any] = {}
        for key, item in value.items():
            shown = _redact_key(key, redacted) if search else key
            own = _find_name(key, value)
            redacted[shown] = redact_value(hidden or own, item, search=search)
        return redacted
    if isinstance(value, list) and _WITHOUT_TEXT.issuperset(map(type, value)):
        return value
    if isinstance(value, list) and (search or secrecy(name) or _has_containers(value)):
        if search and "--" in "".join(item[:2] for item in value if isinstance(item, str)):
            return _redact_arguments(name, value)
        if search and _is_pair(value):
            return [value[0], REDACTED]
        return [redact_value(name, item, search=search) for item in value]
    return value


def redact_json(name: str, text: str, *, search: bool) -> str:
    """Return a JSON text without the secrets in its values; the result is still JSON.

    Args:
        name: The name of the field.
        text: The text. If it is not JSON, it is redacted like any text.
        search: As for `redact_value`.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return str(redact_value(name, text, search=search))
    redacted = redact_value(name, value, search=search)
    if redacted == value:
        return text
    # A lone surrogate is an escape in JSON, and has no other form in UTF-8.
    return json.dumps(redacted, ensure_ascii="\\ud" in text, separators=(",", ":"))


def _has_containers(values: Iterable[Any]) -> bool:
    """Whether there are lists or mappings among the values."""
    return not _CONTAINERS.isdisjoint(map(type, values))


def _find_name(key: Any, mapping: dict[Any, Any]) -> str:
    """Return what a value of a mapping is called: its key, or another value that names it."""
    if key in _VALUES:
        for label in _LABELS:
            name = mapping.get(label)
            if isinstance(name, str) and secrecy(name):
                return name
    if key == "key" and not _ACCOUNTS.isdisjoint(mapping):
        return "user_key"
    return str(key)


def _is_pair(values: list[Any]) -> bool:
    """Whether a list is the name of a secret and a secret, and not just two names."""
    if len(values) != 2 or not all(isinstance(value, str) for value in values):
        return False
    how = secrecy(values[0])
    if how is Secrecy.CERTAIN and _HAS_ALL_KINDS.fullmatch(values[1]):
        return True
    return bool(how) and is_random(values[1].encode("utf-8", "surrogatepass"))


def _redact_key(key: Any, taken: Collection[Any]) -> Any:
    """Return a key without secrets, one that no other key has become."""
    if not isinstance(key, str) or len(key) < _SHORTEST_KEY:
        return key
    shown = redact_text(key)
    if shown == key or shown not in taken:
        return shown
    return next(name for n in count(2) if (name := f"{shown}_{n}") not in taken)


def _is_secret(name: str, text: str) -> bool:
    how = secrecy(name)
    if not how or not text:
        return False
    if how is Secrecy.CERTAIN:
        return not is_folder_or_number(name, text)
    with NATIVE_CALLS:
        return is_random(text.encode("utf-8", "surrogatepass"))


def _redact_arguments(name: str, values: list[Any]) -> list[Any]:
    """Return the arguments of a command: each option names the argument after it."""
    names = [name, *(str(value) if str(value)[:2] == "--" else name for value in values)]
    return [
        redact_value(option if str(value)[:1] != "-" else name, value, search=True)
        for option, value in zip(names, values, strict=False)
    ]
