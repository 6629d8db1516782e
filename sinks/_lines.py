"""An event as one line of text that a person reads at a glance."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from logflume.events import EventBase
from logflume.protocols import Event

__all__ = ["Painter", "escape", "format_event"]

TEXT_WIDTH = 160
"""Characters of a text field that are shown."""

_RESERVED = frozenset(EventBase.__struct_fields__)

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
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


def format_event(event: Event, paint: Painter, *, with_date: bool = False) -> str:
    """Return the line of an event, without the newline.

    Text of the event is shown with control characters escaped, so it can neither move the
    cursor nor pass itself off as another line.
    """
    time = event["timestamp"]
    head = [
        paint(f"{time[:10]} {time[11:23]}" if with_date else time[11:19], "dim"),
        paint(f"{event['level'].upper():<8}", event["level"]),
        paint(escape(event["logger"]), "dim"),
    ]
    if event["step"] is not None:
        head.append(f"step {event['step']}")
    if event.get("mode") == "eval":
        head.append("eval")
    return " ".join([*head, *_body(event, paint)])


def escape(text: str) -> str:
    r"""Return text with control characters written out: `\x1b`, `\n`.

    >>> print(escape("one\ntwo"))
    one\ntwo
    """
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def _body(event: Event, paint: Painter) -> Iterator[str]:
    kind = event["event"]
    text = event.get("message")
    if kind != "message":
        yield paint(kind, "bold")
    if text is not None:
        yield escape(text)
    for name, value in _shown_fields(event):
        yield f"{paint(escape(name), 'name')}={_format_value(value)}"
    if trace := event.get("exception/traceback"):
        # The one thing that has more than one line; each is escaped and indented.
        yield "".join(f"\n    {escape(line)}" for line in trace.rstrip().split("\n"))


def _shown_fields(event: Event) -> Iterator[tuple[str, Any]]:
    """Yield what a glance needs: of rewards the means, of an output its core."""
    kind = event["event"]
    for name, value in event.items():
        if name in _RESERVED or value is None or name == "message":
            continue
        if name.startswith("exception/"):
            continue
        if kind in ("message", "exception") and name in ("source", "thread"):
            continue
        if kind == "reward" and not name.endswith(("/mean", "/frac_zero_std")):
            continue
        if kind == "model_output" and name in ("prompt", "reasoning"):
            continue
        if kind == "run_started" and name not in ("host", "command", "gpus", "git_commit"):
            continue
        if kind in ("training", "evaluation") and name.startswith(("gpu/", "torch/")):
            continue
        if (
            kind == "pipeline"
            and name not in ("accepted", "written")
            and not _is_trouble(name, value)
        ):
            continue
        yield (name.removeprefix("rewards/") if kind == "reward" else name), value
    if (extras := event.get("extras")) is not None:
        yield "extras", extras


def _is_trouble(name: str, value: Any) -> bool:
    """Whether a count of the pipeline's report is one that should be zero."""
    return bool(value) and ("dropped" in name or name.endswith("/failed"))


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
