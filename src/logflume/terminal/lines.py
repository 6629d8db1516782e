"""An event as one line of text that a person reads at a glance."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from logflume.protocols import Event
from logflume.terminal.console_fields import MOST_FIELDS, all_fields, console_fields
from logflume.values.columnar import Getter, getter
from logflume.values.plain import are_floats

__all__ = ["Painter", "escape", "format_event"]

TEXT_WIDTH = 160
"""Characters of a text field that are shown."""

_SHAPES = 256
"""Kinds of lines that are remembered: of one type, with the same names in the same order."""

_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
"""Control characters, and those that end a line or turn the direction of writing."""

_NEEDS_QUOTES = re.compile(r"[\s=\"]")

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
        self.colours = colours

    def __call__(self, text: str, style: str) -> str:
        """Return the text in a style of `_COLOURS`."""
        return f"\x1b[{_COLOURS[style]}m{text}\x1b[0m" if self.colours and text else text


def format_event(event: Event, paint: Painter, *, in_full: bool = False) -> str:
    """Return the line of an event, without the newline.

    On the console it has the time and the fields that matter most; in full the date, too, and
    every field.

    Text of the event is shown with control characters escaped, so it can neither move the
    cursor nor pass itself off as another line.
    """
    time, kind, step = event["timestamp"], event["event"], event["step"]
    start, title = _titles(event["level"], event["logger"], kind, paint.colours)
    pieces = [paint(f"{time[:10]} {time[11:23]}" if in_full else time[11:19], "dim"), start]
    if step is not None:
        pieces.append(f"step {step}")
    if event.get("mode") == "eval":
        pieces.append("eval")
    if title:
        pieces.append(title)
    if (text := event.get("message")) is not None:
        pieces.append(escape(text))
    fields = _fields(kind, tuple(event), paint.colours, in_full)
    pieces += _show_fields(event, fields)
    return " ".join(pieces) + _traceback(event)


def escape(text: str) -> str:
    r"""Return text with control characters written out: `\x1b`, `\n`.

    >>> print(escape("one\ntwo"))
    one\ntwo
    """
    # Most texts have no control character but newlines, and this is told at once.
    if text.isprintable() or (text := text.replace("\n", r"\n")).isprintable():
        return text
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


@lru_cache(_SHAPES)
def _titles(level: str, logger: str, kind: str, colours: bool) -> tuple[str, str]:
    """Return what stands before the step, and the title after it."""
    paint = Painter(colours=colours)
    start = paint(f"{level.upper():<8}", level)
    if logger != kind:
        start += f" {paint(escape(logger), 'dim')}"
    return start, "" if kind == "message" else paint(kind, "bold")


class _Fields(NamedTuple):
    """How the fields of a line are shown.

    Attributes:
        labels: Name, label, and whether a zero is left out, of each that may be shown.
        most: How many of them are shown.
        get: Returns the values of the first few.
        numbers: The format of these if all are everyday numbers; None: they have to be looked at.
    """

    labels: list[tuple[str, str, bool]]
    most: int
    get: Getter
    numbers: str | None


@lru_cache(_SHAPES)
def _fields(kind: str, names: tuple[str, ...], colours: bool, in_full: bool) -> _Fields:
    paint = Painter(colours=colours)
    fields = all_fields(names) if in_full else console_fields(kind, names)
    labels = [(name, f"{paint(escape(shown), 'name')}=", skips) for name, shown, skips in fields]
    most = len(labels) if in_full else MOST_FIELDS
    first = labels[:most]
    numbers = " ".join(f"{label.replace('%', '%%')}%.4g" for _, label, _ in first)
    is_simple = bool(first) and not any(skips for *_, skips in first)
    get = getter([name for name, *_ in first])
    return _Fields(labels, most, get, numbers if is_simple else None)


def _show_fields(event: Event, fields: _Fields) -> list[str]:
    if fields.numbers is not None:
        values = fields.get(event)
        # NaN is not below anything.
        if are_floats(values) and sum(map(abs, values)) < 1e3:
            return [fields.numbers % values]
    pieces: list[str] = []
    for name, label, skips_zero in fields.labels:
        value = event[name]
        if value is None or (skips_zero and not value):
            continue
        if len(pieces) == fields.most:
            break
        pieces.append(label + _format_value(value))
    return pieces


def _traceback(event: Event) -> str:
    """Return the one thing that has more than one line; each is escaped and indented."""
    trace = event.get("exception/traceback")
    if not trace:
        return ""
    return "".join(f"\n    {escape(line)}" for line in trace.rstrip().split("\n"))


def _format_value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if 1e3 <= abs(value) < 1e15 else f"{value:.4g}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{len(value)} values]" if len(value) > 8 else _format_list(value)
    if isinstance(value, int):
        return str(value)
    return _format_text(str(value))


def _format_list(values: list[Any]) -> str:
    return "[" + ", ".join(_format_value(value) for value in values) + "]"


def _format_text(text: str) -> str:
    shown = escape(text if len(text) <= TEXT_WIDTH else text[: TEXT_WIDTH - 1] + "…")
    return shown if shown and not _NEEDS_QUOTES.search(shown) else f'"{shown}"'
