"""A completion with its rewards, in a frame."""

from __future__ import annotations

from typing import Any

from logflume.protocols import Event
from logflume.terminal.cells import cell_len, fit, pad, wrap
from logflume.terminal.compact_numbers import compact_number
from logflume.terminal.console_lines import INDENT, Screen
from logflume.terminal.escape import escape
from logflume.terminal.step_metrics import short_name

__all__ = ["panel_lines"]

MAX_WIDTH = 110
"""Cells of a frame: longer lines are hard to read."""

MAX_PROMPT_LINES = 3
MAX_TEXT_LINES = 10
MAX_CHARACTERS = 4_000
"""Characters read of a prompt or a completion."""

_REWARD = "rewards/"
_TOTAL = "rewards/total"


def panel_lines(event: Event, screen: Screen) -> list[str]:
    """Return a `model_output` event as the lines of a frame that fits the terminal."""
    paint = screen.paint
    width = min(MAX_WIDTH, screen.width) - len(INDENT)
    inner = width - 4
    body: list[str] = []
    if prompt := _text(event, "question") or _text(event, "prompt"):
        body += [paint(pad(line, inner), "dim") for line in _lines(prompt, inner, MAX_PROMPT_LINES)]
        body.append(" " * inner)
    output = _text(event, "model_output") or _text(event, "answer")
    body += [pad(line, inner) for line in _lines(output, inner, MAX_TEXT_LINES)]
    step = event["step"]
    title = "completion" if step is None else escape(f"completion at step {step}")
    top = _edge("╭", f"{title} · {rewards}" if (rewards := _rewards(event)) else title, "╮", width)
    bottom = _edge("╰", _answers(event), "╯", width)
    side = paint("│", "dim")
    frame = [paint(top, "dim"), *(f"{side} {line} {side}" for line in body), paint(bottom, "dim")]
    return [INDENT + line for line in frame]


def _text(event: Event, name: str) -> str:
    value = event.get(name)
    return value if isinstance(value, str) else ""


def _lines(text: str, width: int, limit: int) -> list[str]:
    """Return a text as at most `limit` lines; an ellipsis marks that there is more."""
    found: list[str] = []
    for line in text[:MAX_CHARACTERS].strip().split("\n"):
        found += wrap(escape(line.expandtabs(4)), width)
        if len(found) > limit:
            return [*found[: limit - 1], fit(found[limit - 1], width - 2) + " …"]
    return found


def _rewards(event: Event) -> str:
    """Return the rewards, the total first."""
    rewards: dict[str, Any] = {"reward": event.get(_TOTAL)}
    rewards |= {
        escape(short_name(name.removeprefix(_REWARD))): value
        for name, value in event.items()
        if name.startswith(_REWARD) and name != _TOTAL
    }
    return " · ".join(
        f"{name} {compact_number(value)}"
        for name, value in rewards.items()
        if isinstance(value, (int, float))
    )


def _answers(event: Event) -> str:
    """Return the answer and the correct answer."""
    answers = {"answer": _text(event, "answer"), "correct answer": _text(event, "true_answer")}
    return " · ".join(
        f"{name} {escape(' '.join(text[:200].split()))}" for name, text in answers.items() if text
    )


def _edge(start: str, text: str, end: str, width: int) -> str:
    if not text:
        return start + "─" * (width - 2) + end
    shown = fit(text, width - 6)
    return f"{start}─ {shown} {'─' * (width - 5 - cell_len(shown))}{end}"
