"""Answers and thinking within the texts of completions."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["final_answer", "find_marked_answer", "parse_answer", "split_thinking"]

_LAST_LINE = re.compile(r"(?:^|\n)[ \t]*####[ \t]*([-+]?\$?[\d.,]+)\s*\Z")


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
    r"""Return the answer in the last `\boxed{}`, or the number after `####` in the last line.

    None if there is neither.

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
    found = _LAST_LINE.search(text) if "####" in text else None
    return found and found[1]


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
