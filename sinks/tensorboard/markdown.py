"""Completions and tables as Markdown, for the Text tab of TensorBoard."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from logflume.protocols import Event

__all__ = ["completion_markdown", "table_markdown"]

_TEXTS = {
    "question": "Question",
    "true_answer": "True answer",
    "model_output": "Completion",
    "answer": "Answer",
}
_WIDTH = 120
_WRAPPED_LINE = re.compile(rf".{{1,{_WIDTH}}}$|.{{0,{_WIDTH - 1}}}[ \t]|.{{{_WIDTH}}}")
_BACKTICKS = re.compile("`+")
_MAX_ROWS = 50
_MAX_COLUMNS = 30
_MAX_CELL = 500
_MARKUP = re.compile(r"[\\`*_{}\[\]()#+!|<>&~:/@.-]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def completion_markdown(event: Event) -> bytes:
    """Return a `model_output` event as Markdown: its texts, then its rewards and advantage.

    All data is in fenced blocks, so none of it is interpreted as Markdown or HTML. Lines are
    broken at 120 characters, because TensorBoard doesn't wrap lines in such blocks.
    """
    blocks = [
        f"**{title}**\n\n{_fenced(event[name])}"
        for name, title in _TEXTS.items()
        if event.get(name) is not None
    ]
    if scores := _scores(event):
        blocks.append(f"**Scores**\n\n{_fenced(scores)}")
    return "\n\n".join(blocks).encode()


def table_markdown(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Return the first 50 rows and 30 columns of a table as Markdown.

    Punctuation is written as HTML entities, so none of the data is interpreted as markup.
    """
    names = list(islice(columns, _MAX_COLUMNS))
    values = [columns[name] for name in names]
    count = len(values[0])
    lines = [_row(names), "|" + " --- |" * len(names)]
    lines += [_row(cells) for cells in islice(zip(*values, strict=True), _MAX_ROWS)]
    left_out = []
    if count > _MAX_ROWS:
        left_out.append(f"{count - _MAX_ROWS:,} more rows")
    if len(columns) > _MAX_COLUMNS:
        left_out.append(f"{len(columns) - _MAX_COLUMNS:,} more columns")
    if left_out:
        lines += ["", " and ".join(left_out)]
    return "\n".join(lines).encode()


def _row(cells: Sequence[Any]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:g}".replace("-", "&#45;")
    text = str(value)
    short = text if len(text) <= _MAX_CELL else f"{text[:_MAX_CELL]}…"
    plain = _CONTROL.sub(_escape, short.replace("\n", " "))
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", plain)


def _scores(event: Event) -> str:
    """Return one line per reward, then the total and the advantage, with aligned numbers."""
    names = [name for name in event if name.startswith("rewards/") and name != "rewards/total"]
    names += ["rewards/total", "advantage"]
    scores = {name: event[name] for name in names if event.get(name) is not None}
    width = max(map(len, scores), default=0)
    return "\n".join(f"{name:<{width}}  {value:g}" for name, value in scores.items())


def _fenced(text: str) -> str:
    """Return the text in a fence longer than any run of backticks in it."""
    wrapped = "\n".join(map(_wrapped, _CONTROL.sub(_escape, text).split("\n")))
    longest = max((len(run) for run in _BACKTICKS.findall(wrapped)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{wrapped}\n{fence}"


def _escape(match: re.Match[str]) -> str:
    return f"\\x{ord(match[0]):02x}"


def _wrapped(line: str) -> str:
    """Return the line with breaks, after spaces where possible; no character is removed."""
    return line if len(line) <= _WIDTH else "\n".join(_WRAPPED_LINE.findall(line))
