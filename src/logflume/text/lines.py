"""An event as one line of text that a person reads at a glance."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from logflume.protocols import Event
from logflume.text.glance import all_fields, glance_fields

__all__ = ["Painter", "escape", "format_event"]

TEXT_WIDTH = 160
"""Characters of a text field that are shown."""

FieldChooser = Callable[[Event], Iterator[tuple[str, Any]]]

_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
"""Control characters, and those that end a line or turn the direction of writing."""

_COLOURS = {
    "dim": "2",
    "bold": "1",
    "debug": "2",
    "info": "32",
    "warning": "33",
    "error": "31",
    "critical": "1;31",
    "name": "36",
}


class Painter:
    """Colours pieces of text, or leaves them plain.

    Args:
        colours: Whether to colour.
    """

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def __call__(self, text: str, style: str) -> str:
        """Return the text in a style of `_COLOURS`."""
        return f"\x1b[{_COLOURS[style]}m{text}\x1b[0m" if self._colours and text else text


def format_event(event: Event, paint: Painter, *, in_full: bool = False) -> str:
    """Return the line of an event, without the newline.

    On the console it has the time and the fields that matter most; in full the date, too, and
    every field.

    Text of the event is shown with control characters escaped, so it can neither move the
    cursor nor pass itself off as another line.
    """
    time = event["timestamp"]
    head = [
        paint(f"{time[:10]} {time[11:23]}" if in_full else time[11:19], "dim"),
        paint(f"{event['level'].upper():<8}", event["level"]),
    ]
    if event["logger"] != event["event"]:
        head.append(paint(escape(event["logger"]), "dim"))
    if event["step"] is not None:
        head.append(f"step {event['step']}")
    if event.get("mode") == "eval":
        head.append("eval")
    return " ".join(
        [*head, *_body(event, paint, all_fields if in_full else glance_fields)]
    ) + _traceback(event)


def escape(text: str) -> str:
    r"""Return text with control characters written out: `\x1b`, `\n`.

    >>> print(escape("one\ntwo"))
    one\ntwo
    """
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def _body(event: Event, paint: Painter, choose: FieldChooser) -> Iterator[str]:
    kind = event["event"]
    text = event.get("message")
    if kind != "message":
        yield paint(kind, "bold")
    if text is not None:
        yield escape(text)
    for name, value in choose(event):
        yield f"{paint(escape(name), 'name')}={_format_value(value)}"


def _traceback(event: Event) -> str:
    """Return the one thing that has more than one line; each is escaped and indented."""
    trace = event.get("exception/traceback") or ""
    return "".join(f"\n    {escape(line)}" for line in trace.rstrip().split("\n") if trace)


def _format_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:,.0f}" if 1e3 <= abs(value) < 1e15 else f"{value:.4g}"
    if isinstance(value, list):
        return f"[{len(value)} values]" if len(value) > 8 else _format_list(value)
    if isinstance(value, int):
        return str(value)
    return _format_text(str(value))


def _format_list(values: list[Any]) -> str:
    return "[" + ", ".join(_format_value(value) for value in values) + "]"


def _format_text(text: str) -> str:
    shown = escape(text if len(text) <= TEXT_WIDTH else text[: TEXT_WIDTH - 1] + "…")
    return shown if shown and not re.search(r"[\s=\"]", shown) else f'"{shown}"'
