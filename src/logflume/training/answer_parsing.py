"""Answers and thinking within the texts of completions."""

from __future__ import annotations

from typing import Any

__all__ = ["final_answer", "parse_answer", "split_thinking"]


def split_thinking(text: str) -> tuple[str | None, str]:
    """Return the thinking that a text begins with, and the rest.

    Thinking is between `<think>` and `</think>`. Chat templates may put the first tag at the end of
    the prompt, and a truncated text lacks the last one.

    >>> split_thinking("<think>3 + 4</think>7"), split_thinking("7")
    (('3 + 4', '7'), (None, '7'))
    """
    thinking, closing, rest = text.partition("</think>")
    before, opening, thought = thinking.partition("<think>")
    if closing:
        return (thought if opening else before).strip(), rest
    if opening and not before.strip():
        return thought.strip(), ""
    return None, text


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
