"""Escapes the characters of a text that a terminal interprets or doesn't show."""

from __future__ import annotations

import re

__all__ = ["escape", "escape_json", "escape_lines"]

_IGNORABLE = (
    r"\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    r"\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Unicode's Default_Ignorable_Code_Point, which includes the bidirectional and zero-width ones, and
annotations. U+FE0F is excluded: it makes emoji of ordinary symbols."""

_UNSEEN = re.compile(rf"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{_IGNORABLE}]")
"""Control characters, line separators, halves of surrogate pairs, and invisible characters."""


def escape(text: str) -> str:
    r"""Return text with control and invisible characters escaped: `\x1b`, `\n`, `\u200b`.

    >>> print(escape("one\ntwo"))
    one\ntwo
    """
    # Fast path: most texts are ASCII, without control characters other than newlines.
    if text.isascii() and (text.isprintable() or (text := text.replace("\n", r"\n")).isprintable()):
        return text
    return _UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def escape_lines(text: str) -> str:
    """Return text with the same characters escaped, except for newlines."""
    return "\n".join(map(escape, text.split("\n")))


def escape_json(text: str) -> str:
    r"""Return JSON text with the same characters as JSON escapes, so that its value stays the same.

    >>> escape_json('["a\x7fb"]')
    '["a\\u007fb"]'
    """
    return "\n".join(_UNSEEN.sub(_as_json, line) for line in text.split("\n"))


def _as_json(match: re.Match[str]) -> str:
    encoded = match[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{encoded[start : start + 4]}" for start in range(0, len(encoded), 4))
