"""Texts of prompts and completions, and the answers within them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

__all__ = [
    "final_answer",
    "is_all_of_the_model",
    "parse_answer",
    "question_of",
    "questions_of",
    "text_of",
]


def text_of(messages: Any) -> str:
    """Return the text of a completion or prompt, given as a string or a list of chat messages.

    With several messages, each is preceded by its role.

    >>> text_of([{"role": "assistant", "content": "4"}])
    '4'
    """
    if isinstance(messages, str):
        return messages
    if isinstance(messages, list) and len(messages) == 1 and isinstance(messages[0], dict):
        return _content(messages[0])
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        return str(messages)
    return "\n".join(f"{message.get('role', '')}: {_content(message)}" for message in messages)


def is_all_of_the_model(completion: Any) -> bool:
    """Whether the model wrote a whole completion: no message of it is of another role.

    >>> is_all_of_the_model([{"role": "assistant"}, {"role": "tool", "content": "4"}])
    False
    """
    messages = completion if isinstance(completion, list) else ()
    roles = {m.get("role", "assistant") for m in messages if isinstance(m, dict)}
    return roles <= {"assistant"}


def question_of(prompt: Any) -> str:
    """Return the question of a prompt: its last message, or its text."""
    if isinstance(prompt, list) and prompt and isinstance(prompt[-1], dict):
        return _content(prompt[-1])
    return text_of(prompt)


def questions_of(prompts: Sequence[Any], column: Any) -> list[Any]:
    """Return the question of each prompt, from the column of the dataset where it has one.

    Args:
        prompts: The prompts.
        column: The column `question`, a list; anything else counts as missing.
    """
    questions = column if isinstance(column, list) else []
    return [
        question_of(prompt) if question is None else question
        for prompt, question in zip_longest(prompts, questions[: len(prompts)])
    ]


def parse_answer(text: str) -> tuple[str | None, str | None]:
    """Return the texts between the reasoning and the answer tags; None where missing."""
    return _between(text, "<reasoning>", "</reasoning>"), _between(text, "<answer>", "</answer>")


def _between(text: str, opening: str, closing: str) -> str | None:
    _, _, rest = text.partition(opening)
    content, separator, _ = rest.partition(closing)
    return content.strip() if separator else None


def final_answer(answer: Any) -> Any:
    """Return the text after `####`, the final answer of a GSM8K-style solution.

    Any other value is returned unchanged.

    >>> final_answer("3 + 4 = 7 #### 7"), final_answer(4)
    ('7', 4)
    """
    if isinstance(answer, str) and "####" in answer:
        return answer.rpartition("####")[2].strip()
    return answer


def _content(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):  # the parts of a multimodal message
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return "" if content is None else str(content)
