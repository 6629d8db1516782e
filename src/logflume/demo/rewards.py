"""The reward functions of the demo."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from logflume.demo.data import extract_true_answer

__all__ = ["REWARD_FUNCTIONS", "correctness_reward_func", "format_reward_func"]

Completion = str | list[dict[str, str]]
"""What TRL passes: plain text, or the messages of a chat."""

# Strict on purpose: with `.*?` and DOTALL in place of the inner patterns, the model finds out
# that any number of repeated tags is paid too.
_FORMAT = re.compile(r"<reasoning>\n[^<>]+\n</reasoning>\n<answer>\n[^<>\n]+\n</answer>\n*")


def completion_text(completion: Completion) -> str:
    """Return the text of a completion, whichever of the two forms it has."""
    return completion if isinstance(completion, str) else completion[0]["content"]


def given_answer(text: str) -> str:
    """Return what stands after the last `<answer>`, even where the format is broken elsewhere."""
    _, tag, rest = text.rpartition("<answer>")
    return rest.partition("</answer>")[0].strip() if tag else ""


def correctness_reward_func(
    completions: Sequence[Completion], answer: Sequence[str], **_: Any
) -> list[float]:
    """2.0 where the answer given is the true one, else 0.0."""
    return [
        2.0 if given_answer(completion_text(completion)) == extract_true_answer(truth) else 0.0
        for completion, truth in zip(completions, answer, strict=True)
    ]


def format_reward_func(completions: Sequence[Completion], **_: Any) -> list[float]:
    """0.5 where the completion has the answer format and nothing else, else 0.0."""
    return [
        0.5 if _FORMAT.fullmatch(completion_text(completion)) else 0.0 for completion in completions
    ]


REWARD_FUNCTIONS: list[Callable[..., list[float]]] = [correctness_reward_func, format_reward_func]
