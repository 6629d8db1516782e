"""Formats an event as one line of text for the terminal or a log file."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from logflume.protocols import Event
from logflume.terminal.cells import cell_len, fit
from logflume.terminal.console_fields import MAX_FIELDS, all_fields, console_fields
from logflume.terminal.escape import escape
from logflume.values.kinds import KINDS, kind_of
from logflume.values.pixels import is_image_path

__all__ = ["Painter", "format_event", "format_fields"]

TEXT_WIDTH = 160
"""Maximum number of characters shown of a text field."""

_SHORTEST_VALUE = 12
"""A value that is too long is cut to the room left, but to no fewer cells than this."""

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
    time, level, logger = escape(event["timestamp"]), event["level"], event["logger"]
    event_type, step = event["event"], event["step"]
    pieces = [
        paint(f"{time[:10]} {time[11:23]}" if in_full else time[11:19], "dim"),
        paint(f"{escape(level.upper()):<8}", level),
    ]
    if logger != event_type:
        pieces.append(paint(escape(logger), "dim"))
    if step is not None:
        pieces.append(escape(f"step {step}"))
    if event.get("mode") == "eval":
        pieces.append("eval")
    if event_type != "message":
        pieces.append(paint(escape(event_type), "bold"))
    if (text := event.get("message")) is not None:
        pieces.append(escape(text))
    if fields := format_fields(event, paint, None, in_full=in_full):
        pieces.append(fields)
    return " ".join(pieces) + _traceback(event)


def format_fields(event: Event, paint: Painter, room: int | None, *, in_full: bool = False) -> str:
    """Return the most important fields of an event as far as they fit; empty without any.

    Args:
        event: The event.
        paint: Adds colours.
        room: The cells available; None: any number.
        in_full: Whether to return all fields.
    """
    pieces: list[str] = []
    fields = [
        (label, event[name])
        for name, label, skips_zero in _labels(event["event"], tuple(event), in_full)
        if event[name] is not None and (event[name] or not skips_zero)
    ]
    for number, (label, value) in enumerate(fields if in_full else fields[:MAX_FIELDS]):
        text = _format_value(value)
        if room is not None:
            if is_image_path(value):
                text = f"{value[:_PATH_START]}….png"
            is_last = number + 1 == len(fields)
            left = room - cell_len(label) - (1 if is_last else 3)  # for `=`, a gap, the ellipsis
            if left < min(cell_len(text), _SHORTEST_VALUE):
                return " ".join([*pieces, "…"])
            text = fit(text, left)
            room = left - cell_len(text) + (0 if is_last else 1)
        pieces.append(f"{paint(label, 'name')}={text}")
    return " ".join(pieces)


@lru_cache(maxsize=256)
def _labels(event_type: str, names: tuple[str, ...], in_full: bool) -> list[tuple[str, str, bool]]:
    """Return name, label, and whether a zero is omitted, for each field that may be shown."""
    fields = all_fields(names) if in_full else console_fields(event_type, names)
    return [(name, escape(shown_as), skips_zero) for name, shown_as, skips_zero in fields]


def _traceback(event: Event) -> str:
    """Return the traceback, the only part with several lines, escaped and indented."""
    trace = event.get("exception/traceback")
    if not trace:
        return ""
    return "".join(f"\n    {escape(line)}" for line in trace.rstrip().split("\n"))


def _format_value(value: Any) -> str:
    if isinstance(value, dict):  # as a journal of another version may have
        return _format_text(str(value))
    return KINDS[kind_of(value)].brief_text(value, _format_text)


def _format_text(text: str) -> str:
    shown = escape(text if len(text) <= TEXT_WIDTH else text[: TEXT_WIDTH - 1] + "…")
    return shown if shown and not _NEEDS_QUOTES.search(shown) else f'"{shown}"'
