"""Formats an event as one line of text for the terminal or a log file."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from logflume.protocols import Event
from logflume.terminal.cells import cell_len, fit
from logflume.terminal.console_fields import MAX_FIELDS, all_fields, console_fields
from logflume.terminal.escape import escape
from logflume.values.columnar import Getter, getter
from logflume.values.kinds import KINDS, kind_of
from logflume.values.pixels import is_image_path
from logflume.values.plain import are_floats

__all__ = ["Painter", "format_event", "format_fields"]

TEXT_WIDTH = 160
"""Maximum number of characters shown of a text field."""

_SHORTEST_VALUE = 12
"""Cells of a value that a field is shown for, cut, where there is no room for all of it."""

_CACHE_SIZE = 256
"""Number of line layouts that are cached: one per event type and sequence of field names."""

_PATH_START = len("media/") + 8
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
    "eval": "35",
}


class Painter:
    """Adds terminal colours to text, if enabled.

    Args:
        colours: Whether colours are enabled.
    """

    def __init__(self, *, colours: bool) -> None:
        self.colours = colours

    def __call__(self, text: str, style: str) -> str:
        """Return the text in one of the styles of `_COLOURS`; unchanged in any other."""
        has_style = self.colours and text and style in _COLOURS
        return f"\x1b[{_COLOURS[style]}m{text}\x1b[0m" if has_style else text


def format_event(event: Event, paint: Painter, *, in_full: bool = False) -> str:
    """Return an event as one line, without the newline.

    By default the line has the time and the most important fields; with `in_full` also the date,
    and every field.

    Control characters in the text of an event are escaped, so that it can neither move the cursor
    nor pose as another line.
    """
    time, event_type, step = escape(event["timestamp"]), event["event"], event["step"]
    start, title = _titles(event["level"], event["logger"], event_type, paint.colours)
    pieces = [paint(f"{time[:10]} {time[11:23]}" if in_full else time[11:19], "dim"), start]
    if step is not None:
        pieces.append(f"step {step}" if type(step) is int else escape(f"step {step}"))
    if event.get("mode") == "eval":
        pieces.append("eval")
    if title:
        pieces.append(title)
    if (text := event.get("message")) is not None:
        pieces.append(escape(text))
    fields = _fields(event_type, tuple(event), paint.colours, in_full)
    pieces += _format_fields(event, fields)
    return " ".join(pieces) + _traceback(event)


@lru_cache(_CACHE_SIZE)
def _titles(level: str, logger: str, event_type: str, colours: bool) -> tuple[str, str]:
    """Return the start of the line, up to the step, and the title that follows the step."""
    paint = Painter(colours=colours)
    start = paint(f"{escape(level.upper()):<8}", level)
    if logger != event_type:
        start += f" {paint(escape(logger), 'dim')}"
    return start, "" if event_type == "message" else paint(escape(event_type), "bold")


class _Fields(NamedTuple):
    """The layout of the fields of a line.

    Attributes:
        labels: Name, label, and whether a zero is omitted, for each field that may be shown.
        limit: The maximum number of fields shown.
        get: Returns the values of the first `limit` fields.
        numbers: A format string for these values, used if all are floats of ordinary size; None:
            each value is formatted separately.
    """

    labels: list[tuple[str, str, bool]]
    limit: int
    get: Getter
    numbers: str | None


@lru_cache(_CACHE_SIZE)
def _fields(event_type: str, names: tuple[str, ...], colours: bool, in_full: bool) -> _Fields:
    paint = Painter(colours=colours)
    fields = all_fields(names) if in_full else console_fields(event_type, names)
    labels = [(name, f"{paint(escape(shown), 'name')}=", skips) for name, shown, skips in fields]
    limit = len(labels) if in_full else MAX_FIELDS
    first = labels[:limit]
    numbers = " ".join(f"{label.replace('%', '%%')}%.4g" for _, label, _ in first)
    is_simple = bool(first) and not any(skips for *_, skips in first)
    get = getter([name for name, *_ in first])
    return _Fields(labels, limit, get, numbers if is_simple else None)


def _format_fields(event: Event, fields: _Fields) -> list[str]:
    if fields.numbers is not None:
        values = fields.get(event)
        # This is False for NaN.
        if are_floats(values) and sum(map(abs, values)) < 1e3:
            return [fields.numbers % values]
    pieces: list[str] = []
    for name, label, skips_zero in fields.labels:
        value = event[name]
        if value is None or (skips_zero and not value):
            continue
        if len(pieces) == fields.limit:
            break
        pieces.append(label + _format_value(value))
    return pieces


@lru_cache(_CACHE_SIZE)
def _labels(event_type: str, names: tuple[str, ...]) -> list[tuple[str, str, bool]]:
    """Return name, label, and whether a zero is omitted, for each field that may be shown."""
    fields = console_fields(event_type, names)
    return [(name, f"{escape(shown)}=", skips_zero) for name, shown, skips_zero in fields]


def format_fields(event: Event, paint: Painter, room: int | None) -> str:
    """Return the most important fields of an event as far as they fit; empty without any.

    Args:
        event: The event.
        paint: Adds colours.
        room: The cells there are; None: any number.
    """
    pieces: list[str] = []
    fields = [
        (label, event[name])
        for name, label, skips_zero in _labels(event["event"], tuple(event))
        if event[name] is not None and (event[name] or not skips_zero)
    ]
    for number, (label, value) in enumerate(fields[:MAX_FIELDS]):
        text = _format_value(value)
        if room is not None:
            if is_image_path(value):
                text = f"{value[:_PATH_START]}….png"
            is_last = number + 1 == len(fields)
            left = room - cell_len(label) - (0 if is_last else 2)  # for a gap and the ellipsis
            if left < min(cell_len(text), _SHORTEST_VALUE):
                return " ".join([*pieces, "…"]) if pieces else "…"
            text = fit(text, left)
            room = left - cell_len(text) + (0 if is_last else 1)
        pieces.append(paint(label[:-1], "name") + "=" + text)
    return " ".join(pieces)


def _traceback(event: Event) -> str:
    """Return the traceback, the only part that takes several lines, escaped and indented."""
    trace = event.get("exception/traceback")
    if not trace:
        return ""
    return "".join(f"\n    {escape(line)}" for line in trace.rstrip().split("\n"))


def _format_value(value: Any) -> str:
    if isinstance(value, dict):  # what a journal of another version may have
        return _format_text(str(value))
    return KINDS[kind_of(value)].brief_text(value, _format_text)


def _format_text(text: str) -> str:
    shown = escape(text if len(text) <= TEXT_WIDTH else text[: TEXT_WIDTH - 1] + "…")
    return shown if shown and not _NEEDS_QUOTES.search(shown) else f'"{shown}"'
