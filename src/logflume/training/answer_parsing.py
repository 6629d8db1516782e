"""Answers and thinking within the texts of completions."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["final_answer", "find_marked_answer", "parse_answer", "split_thinking"]

_MARKED = re.compile(r"####[ \t]*([-+]?\$?[.,]?\d[\d.,]*)[ \t\r]*$", re.MULTILINE)
"""A number that ends its line, so that a heading, `#### 1. Add them`, is no answer."""


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
    """Return the text between the reasoning tags, and the answer; None where missing.

    The answer is between the answer tags, or else what `find_marked_answer` finds.
    """
    answer = _between(text, "<answer>", "</answer>")
    if answer is None:
        answer = find_marked_answer(text)
    return _between(text, "<reasoning>", "</reasoning>"), answer


def find_marked_answer(text: str) -> str | None:
    r"""Return the answer in the last `\boxed{}`, or the number after the last `####` with one.

    The number ends its line, as in the solutions of GSM8K. None if there is neither.

    >>> find_marked_answer(r"So it is \boxed{\frac{1}{2}}."), find_marked_answer("6 + 1\n#### 7")
    ('\\frac{1}{2}', '7')
    """
    _, box, rest = text.rpartition(r"\boxed{")
    if box:
        depth = 1
        for end, character in enumerate(rest):
            depth += (character == "{") - (character == "}")
            if not depth:
                return rest[:end].strip() or None
    found = _MARKED.findall(text) if "####" in text else None
    return found[-1] if found else None


def _between(text: str, opening: str, closing: str) -> str | None:
    _, _, rest = text.partition(opening)
    content, separator, _ = rest.partition(closing)
    return content.strip() if separator else None


def final_answer(answer: Any) -> Any:
    r"""Return the answer that a dataset's solution marks; any other value unchanged.

    The solutions of GSM8K end in `#### 7`, those of MATH have a `\boxed{7}`; others have tags.

    >>> final_answer("3 + 4 = 7\n#### 7"), final_answer(r"So $x = \boxed{7}$."), final_answer(4)
    ('7', '7', 4)
    """
    if not isinstance(answer, str):
        return answer
    if "####" in answer:
        return answer.rpartition("####")[2].strip()
    return _between(answer, "<answer>", "</answer>") or find_marked_answer(answer) or answer
