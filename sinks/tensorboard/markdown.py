"""A completion as Markdown, as the Text tab of TensorBoard shows it."""

from __future__ import annotations

import re

from logflume.protocols import Event

__all__ = ["completion_markdown"]

_TEXTS = {
    "question": "Question",
    "true_answer": "True answer",
    "model_output": "Completion",
    "answer": "Answer",
}
_WIDTH = 120
_PIECE = re.compile(rf".{{1,{_WIDTH}}}$|.{{0,{_WIDTH - 1}}}[ \t]|.{{{_WIDTH}}}")
_BACKTICKS = re.compile("`+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def completion_markdown(event: Event) -> bytes:
    """Return a `model_output` event as Markdown: its texts, then its rewards and advantage.

    All that comes from the data stands in fenced blocks, so none of it acts as Markdown or HTML.
    Lines are broken at 120 characters, for TensorBoard wraps none in such a block.
    """
    blocks = [
        f"**{title}**\n\n{_fenced(event[name])}"
        for name, title in _TEXTS.items()
        if event.get(name) is not None
    ]
    if scores := _scores(event):
        blocks.append(f"**Scores**\n\n{_fenced(scores)}")
    return "\n\n".join(blocks).encode()


def _scores(event: Event) -> str:
    """Return a line a reward, then the total and the advantage, their numbers below each other."""
    names = [name for name in event if name.startswith("rewards/") and name != "rewards/total"]
    names += ["rewards/total", "advantage"]
    scores = {name: event[name] for name in names if event.get(name) is not None}
    width = max(map(len, scores), default=0)
    return "\n".join(f"{name:<{width}}  {value:g}" for name, value in scores.items())


def _fenced(text: str) -> str:
    """Return the text in a fence longer than any run of backticks in it."""
    shown = "\n".join(map(_wrapped, _CONTROL.sub(_escape, text).split("\n")))
    longest = max((len(run) for run in _BACKTICKS.findall(shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{shown}\n{fence}"


def _escape(match: re.Match[str]) -> str:
    return f"\\x{ord(match[0]):02x}"


def _wrapped(line: str) -> str:
    """Return the line broken after spaces where it can be, with all its characters."""
    return line if len(line) <= _WIDTH else "\n".join(_PIECE.findall(line))
