"""The reward functions of the demo."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from logflume.demo.data import extract_true_answer

__all__ = [
    "choose_rewards",
    "correctness_reward_func",
    "format_reward_func",
    "lenient_format_reward_func",
]

Completion = str | list[dict[str, str]]
"""A completion as TRL passes it: plain text, or the messages of a chat."""

RewardFunction = Callable[..., Any]  # TRL expects `list[float | None]`, and lists are invariant

# Deliberately strict: `lenient_format_reward_func` shows what a lenient pattern leads to.
_FORMAT = re.compile(r"<reasoning>\n[^<>]+\n</reasoning>\n<answer>\n[^<>\n]+\n</answer>\n*")
_LENIENT_FORMAT = re.compile(r".*?</answer>", re.DOTALL)


def completion_text(completion: Completion) -> str:
    """Return the text of a completion, given in either form."""
    return completion if isinstance(completion, str) else completion[0]["content"]


def given_answer(text: str) -> str:
    """Return the text after the last `<answer>`, even if the format is broken elsewhere."""
    _, tag, rest = text.rpartition("<answer>")
    return rest.partition("</answer>")[0].strip() if tag else ""


def correctness_reward_func(
    completions: Sequence[Completion], answer: Sequence[str], **_: Any
) -> list[float]:
    """Return 2.0 for each completion with the true answer, else 0.0."""
    return [
        2.0 if given_answer(completion_text(completion)) == extract_true_answer(truth) else 0.0
        for completion, truth in zip(completions, answer, strict=True)
    ]


def format_reward_func(completions: Sequence[Completion], **_: Any) -> list[float]:
    """Return 0.5 for each completion in exactly the answer format, else 0.0."""
    return [
        0.5 if _FORMAT.fullmatch(completion_text(completion)) else 0.0 for completion in completions
    ]


def lenient_format_reward_func(completions: Sequence[Completion], **_: Any) -> list[float]:
    """Return 0.5 for each match of a careless pattern, so that repeating `</answer>` pays off.

    This is a deliberate mistake of a common kind. With most seeds, the model exploits it within 40
    steps.
    """
    return [
        0.5 * len(_LENIENT_FORMAT.findall(completion_text(completion)))
        for completion in completions
    ]


def choose_rewards(*, lenient_format: bool = False) -> list[RewardFunction]:
    """Return the reward functions of both scripts, with the strict or the lenient format."""
    format_func = lenient_format_reward_func if lenient_format else format_reward_func
    return [correctness_reward_func, format_func]
