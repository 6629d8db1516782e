"""Word problems in the format of GSM8K, generated from a seed, and the prompts for them."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

__all__ = [
    "Chat",
    "Problem",
    "Prompt",
    "extract_true_answer",
    "few_shot_prompt",
    "instruction_prompt",
    "make_problems",
    "question_prompt",
]

Chat = list[dict[str, str]]
"""The messages of a chat, each with `role` and `content`."""

Prompt = str | Chat
"""A prompt as TRL accepts it."""

_NAMES = ("Tom", "Ana", "Ben", "Mia", "Sam", "Eva", "Max", "Zoe")
_THINGS = ("fish", "sheep", "deer", "trout")  # singular and plural are the same
_VERBS = ("gets", "finds", "buys", "wins")
_MAX_SUM = 6

_INSTRUCTION = """\
Answer in exactly this form, with one sum as the reasoning and a number as the answer:
<reasoning>
1+2=3
</reasoning>
<answer>
3
</answer>

"""

_EXAMPLES = """\
Question: Kim has 2 pens and finds 3 more. How many now?
<reasoning>
2+3=5
</reasoning>
<answer>
5
</answer>

Question: Lea has 4 stamps and gets 1 more. How many now?
<reasoning>
4+1=5
</reasoning>
<answer>
5
</answer>

"""


@dataclass(frozen=True)
class Problem:
    """An addition problem with two digits, whose sum is at most 6."""

    name: str
    things: str
    verb: str
    first: int
    second: int

    @property
    def question(self) -> str:
        """The question in natural language."""
        return (
            f"{self.name} has {self.first} {self.things} and {self.verb} {self.second} more. "
            f"How many now?"
        )

    @property
    def true_sum(self) -> int:
        """The answer as a number."""
        return self.first + self.second

    @property
    def answer(self) -> str:
        """The solution in GSM8K's format: the steps in words, then `#### ` and the number."""
        working = f"{self.first} + {self.second} = {self.true_sum}"
        return f"{self.name} has {working} {self.things}.\n#### {self.true_sum}"


def make_problems(count: int, seed: int) -> list[Problem]:
    """Return `count` problems, always the same for the same seed."""
    rng = random.Random(seed)
    return [_draw(rng) for _ in range(count)]


def _draw(rng: random.Random) -> Problem:
    total = rng.randint(2, _MAX_SUM)
    first = rng.randint(1, total - 1)
    name, things, verb = rng.choice(_NAMES), rng.choice(_THINGS), rng.choice(_VERBS)
    return Problem(name, things, verb, first, total - first)


def extract_true_answer(answer: str) -> str:
    r"""Return the text after `####` in a GSM8K answer, without thousands separators.

    >>> extract_true_answer("He has 1,000 + 7 coins.\n#### 1,007")
    '1007'

    Raises:
        ValueError: The text has no `####`.
    """
    match = re.search(r"####\s*(.+?)\s*$", answer)
    if match is None:
        raise ValueError(f"No '#### <number>' at the end of the answer {answer!r}")
    return match[1].replace(",", "")


def question_prompt(question: str) -> Chat:
    """Return the question alone, for the tiny model, which is trained on nothing else."""
    return [{"role": "user", "content": question}]


def instruction_prompt(question: str) -> Chat:
    """Return a chat that specifies the format of the answer.

    The instruction is part of the user turn, because not every chat template has a system role.
    """
    return question_prompt(_INSTRUCTION + question)


def few_shot_prompt(question: str) -> str:
    """Return two worked examples and the question, for a base model to continue."""
    return f"{_EXAMPLES}Question: {question}\n"
