"""Conversations as JSON text, of limited size and always complete JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import orjson

from logflume.guard import Failure, call_guarded, unreadable
from logflume.values.plain import MAX_JSON_TEXT, json_writable, valid_text

__all__ = ["MessagesJson", "messages_json"]

_SHORTEST = 64
"""Texts are not shortened further than this. If that isn't enough, the conversation is replaced."""


_TEXTS = frozenset({str})

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class MessagesJson(NamedTuple):
    """A conversation as JSON.

    Attributes:
        text: The JSON text.
        note: What was left out; None if nothing was.
    """

    text: str
    note: str | None = None


def messages_json(messages: Any, max_characters: int = MAX_JSON_TEXT) -> MessagesJson:
    r"""Return a conversation as JSON text that, parsed, equals the conversation.

    If there is a lone surrogate, which UTF-8 can't encode, all characters outside ASCII are
    escaped. NaN and infinities become texts. In a conversation that is too long, long texts are
    shortened, and end with a mark.

    Args:
        messages: The messages, as plain values.
        max_characters: Maximum length of the text.

    >>> messages_json([{"role": "assistant", "content": "\ud83d"}]).text
    '[{"role":"assistant","content":"\\ud83d"}]'
    """
    text = call_guarded(_dump_texts if _has_only_texts(messages) else _dump, messages)
    if isinstance(text, Failure):  # nested too deeply for this thread's stack
        return _replaced(unreadable("conversation", text.error)[1:-1])
    if len(text) <= max_characters:
        return MessagesJson(text)
    return _shortened(messages, len(text), max_characters)


def _shortened(messages: Any, length: int, max_characters: int) -> MessagesJson:
    limit = max(map(len, _texts(messages)), default=0)
    while limit > _SHORTEST:
        limit //= 2
        shortener = _Shortener(limit)
        text = _dump(_map_texts(messages, shortener.shorten))
        if len(text) <= max_characters:
            count, removed = shortener.count, shortener.removed
            return MessagesJson(text, f"{count} texts of messages were shortened by {removed:,}")
    # Millions of short texts: the structure itself is too long.
    return _replaced(f"the conversation of {length:,} characters is too long to be kept")


def _replaced(note: str) -> MessagesJson:
    return MessagesJson(_dump([{"role": "logflume", "content": f"<{note}>"}]), note)


class _Shortener:
    def __init__(self, limit: int) -> None:
        self.count = 0
        self.removed = 0
        self._limit = limit

    def shorten(self, text: str) -> str:
        removed = len(text) - self._limit
        if removed <= 0:
            return text
        self.count += 1
        self.removed += removed
        return f"{text[: self._limit]}<{removed:,} more characters>"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _map_texts(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_map_texts(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _map_texts(item, change) for key, item in value.items()}
    return value


def _has_only_texts(messages: Any) -> bool:
    """Whether a conversation is one message that has only texts, as most have."""
    if type(messages) is not list or len(messages) != 1 or type(messages[0]) is not dict:
        return False
    (message,) = messages
    return _TEXTS.issuperset(map(type, message)) and _TEXTS.issuperset(map(type, message.values()))


def _dump_texts(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # a lone surrogate
        return _dump(value)


def _dump(value: Any) -> str:
    try:
        text = _encode(value)
    except ValueError:  # NaN, infinities, or an integer of thousands of digits
        value = json_writable(value)
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if valid_text(text) is text:
        return text
    return json.dumps(value, separators=(",", ":"))
