"""Events as lines of a console: as wide as the terminal, for people who watch a training run."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from logflume.events.reserved import LEVELS
from logflume.protocols import Event
from logflume.terminal.cells import cell_len, wrap
from logflume.terminal.escape import escape
from logflume.terminal.lines import Painter, format_fields

__all__ = ["PYTHON_WARNINGS", "Screen", "alert_lines", "event_lines", "local_time"]

INDENT = " " * 10
"""Indentation of all lines of an event but the first: the width of the time and a gap."""

MAX_LINES = 40
"""Lines shown of a message or a traceback. The text log has all of them."""

MAX_CHARACTERS = 20_000
"""Characters shown of a message."""

MIN_FIELDS_WIDTH = 24
"""Cells that must be left on a line for fields."""

DEFAULT_WIDTH = 80
"""Cells of a line with aligned columns if there is no terminal."""

MIN_WIDTH = 40
"""Cells of the narrowest terminal that lines are laid out for."""

PYTHON_WARNINGS = "py.warnings"
"""The logger of warnings that Python's module `warnings` issues."""

_WARNING = re.compile(r"(?:.*/)?([^/\n]+):(\d+): (\w+): (.*?)(?:\n  [^\n]*)?\s*", re.DOTALL)
"""A warning as Python prints it: file, line, class, text, and the line of code."""

_LOGGERS = ("training", "system", PYTHON_WARNINGS)
"""Loggers whose name a line doesn't show."""


class Screen(NamedTuple):
    """What lines are printed on.

    Attributes:
        columns: The width of the terminal in cells; None if the output isn't a terminal.
        paint: Adds colours.
    """

    columns: int | None
    paint: Painter

    @property
    def width(self) -> int:
        """The cells that aligned columns may take."""
        return DEFAULT_WIDTH if self.columns is None else max(MIN_WIDTH, self.columns)

    def broken(self, text: str, used: int = 0) -> list[str]:
        """Return a text as lines that fit after `INDENT`.

        Args:
            text: A text without newlines, escaped.
            used: Cells of the first line that are already taken.
        """
        return [text] if self.columns is None else wrap(text, self.width - len(INDENT), used)


def local_time(timestamp: str) -> str:
    """Return the time of day of an event in the local time zone, to the second."""
    return _local_second(timestamp[:19] + "Z")


@lru_cache(maxsize=16)
def _local_second(timestamp: str) -> str:
    try:
        return datetime.fromisoformat(timestamp).astimezone().strftime("%H:%M:%S")
    except (ValueError, OverflowError, OSError):  # not a timestamp of this package
        return escape(timestamp[11:19])


def event_lines(event: Event, screen: Screen) -> list[str]:
    """Return an event as lines: time, level if not info, step, type or message, fields, trace."""
    paint, level = screen.paint, event["level"]
    label = "" if level == "info" else level.upper()
    head, width = _head(event, label, level, paint)
    text = event.get("message")
    if event["logger"] == PYTHON_WARNINGS and isinstance(text, str):
        text = _short_warning(text)
    has_text = isinstance(text, str) or event["event"] == "message"
    lines = _message_lines(str(text), width, screen) if has_text else [escape(event["event"])]
    used = cell_len(lines[-1]) + (width if len(lines) == 1 else len(INDENT))
    if not has_text:
        lines[0] = paint(lines[0], "bold")
    _append_fields(lines, event, used, screen, gap="  " if has_text else " ")
    lines[0] = head + lines[0]
    return [lines[0], *(INDENT + line for line in [*lines[1:], *_trace_lines(event, screen)])]


def _short_warning(text: str) -> str:
    """Return a warning of Python without folders and code, with the file at its end."""
    match = _WARNING.fullmatch(text) if len(text) <= MAX_CHARACTERS else None
    if match is None:
        return text
    file, line, kind, what = match.groups()
    return f"{kind}: {what} ({file}:{line})"


def _append_fields(lines: list[str], event: Event, used: int, screen: Screen, gap: str) -> None:
    """Append an event's fields to its last line, or below it if there is little room.

    Warnings and errors show their fields in full, other events as many as fit on a line.
    """
    if screen.columns is not None and LEVELS.get(event["level"], 0) > LEVELS["info"]:
        whole = format_fields(event, Painter(colours=False), None)
        if whole and cell_len(whole) + used + len(gap) > screen.width:
            lines += _shortened(screen.broken(whole))
            return
    room = None if screen.columns is None else screen.width - used - len(gap)
    is_apart = room is not None and room < MIN_FIELDS_WIDTH
    fields = format_fields(event, screen.paint, screen.width - len(INDENT) if is_apart else room)
    if is_apart and fields:
        lines.append(fields)
    elif fields:
        lines[-1] += gap + fields


def alert_lines(event: Event, screen: Screen) -> list[str]:
    """Return an alert as lines: its message, and its cause and remedy if it has them."""
    style = str(event.get("severity") or event["level"])
    head, width = _head(event, "ALERT", style, screen.paint)
    text = event.get("message") or event.get("signal") or "alert"
    lines = _message_lines(str(text), width, screen)
    for name, label in (("cause", "cause: "), ("try_next", "try: ")):
        if isinstance(value := event.get(name), str) and value:
            first, *rest = _message_lines(label + value, len(INDENT), screen)
            lines += [screen.paint(label, "dim") + first.removeprefix(label), *rest]
    return [head + lines[0], *(INDENT + line for line in lines[1:])]


def _head(event: Event, label: str, style: str, paint: Painter) -> tuple[str, int]:
    """Return the start of an event's first line, and its cells."""
    time, step, logger = local_time(event["timestamp"]), event["step"], event["logger"]
    pieces = [(time, "dim")]
    if label:
        pieces.append((label, style))
    if logger not in (*_LOGGERS, event["event"]):
        pieces.append((escape(logger), "dim"))
    if step is not None:
        where = "eval at step" if event.get("mode") == "eval" else "step"
        pieces.append((escape(f"{where} {step}"), ""))
    text = "".join(f"{paint(text, style)}  " for text, style in pieces)
    return text, sum(cell_len(text) + 2 for text, _ in pieces)


def _message_lines(text: str, first: int, screen: Screen) -> list[str]:
    """Return a message as lines; `first` is the cell where the first one begins."""
    found: list[str] = []
    for number, line in enumerate(text[:MAX_CHARACTERS].strip("\n").split("\n")):
        used = max(0, first - len(INDENT)) if number == 0 else 0
        found += screen.broken(escape(line.expandtabs(4)), used)
    return _shortened(found)


def _trace_lines(event: Event, screen: Screen) -> list[str]:
    trace = event.get("exception/traceback")
    if not trace:
        return []
    lines = [
        line
        for text in trace.rstrip().split("\n")
        for line in screen.broken(escape(text.expandtabs(4)))
    ]
    return [lines[0], *_last_lines(lines[1:])]


def _shortened(lines: list[str]) -> list[str]:
    if len(lines) <= MAX_LINES:
        return lines
    return [*lines[: MAX_LINES - 1], f"… {len(lines) - MAX_LINES + 1} more lines in the log"]


def _last_lines(lines: list[str]) -> list[str]:
    """Return the end of a traceback, which says what happened."""
    if len(lines) <= MAX_LINES:
        return lines
    return [f"… {len(lines) - MAX_LINES} more lines in the log", *lines[-MAX_LINES:]]
