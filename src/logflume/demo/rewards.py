"""The reward functions of the demo."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from logflume.demo.data import extract_true_answer

__all__ = [
    "REWARD_FUNCTIONS",
    "choose_rewards",
    "correctness_reward_func",
    "format_reward_func",
    "lenient_format_reward_func",
]

Completion = str | list[dict[str, str]]
"""What TRL passes: plain text, or the messages of a chat."""

RewardFunction = Callable[..., list[float]]

# Strict on purpose: what a lenient one leads to is shown by `lenient_format_reward_func`.
_FORMAT = re.compile(r"<reasoning>\n[^<>]+\n</reasoning>\n<answer>\n[^<>\n]+\n</answer>\n*")
_LENIENT_FORMAT = re.compile(r".*?</answer>", re.DOTALL)


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


def lenient_format_reward_func(completions: Sequence[Completion], **_: Any) -> list[float]:
    """0.5 for each match of a careless pattern: a completion that repeats `</answer>` is paid more.

    A mistake on purpose, as people make it: the model finds it within 40 steps, from most seeds.
    """
    return [
        0.5 * len(_LENIENT_FORMAT.findall(completion_text(completion)))
        for completion in completions
    ]


REWARD_FUNCTIONS: list[RewardFunction] = [correctness_reward_func, format_reward_func]
"""What both scripts train with."""


def choose_rewards(*, lenient_format: bool) -> list[RewardFunction]:
    """Return the reward functions, with the strict or the lenient one for the format."""
    if lenient_format:
        return [correctness_reward_func, lenient_format_reward_func]
    return REWARD_FUNCTIONS
