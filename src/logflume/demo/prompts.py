"""Prompts for a question: a chat, or a text for a base model to continue."""

from __future__ import annotations

from collections.abc import Callable

__all__ = [
    "Chat",
    "Prompt",
    "choose_prompt",
    "few_shot_prompt",
    "instruction_prompt",
    "question_prompt",
]

Chat = list[dict[str, str]]
"""The messages of a chat, each with `role` and `content`."""

Prompt = str | Chat
"""A prompt as TRL accepts it."""

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


def choose_prompt(*, has_chat_template: bool) -> Callable[[str], Prompt]:
    """Return the prompt function for a real model. Only chat models have a chat template."""
    return instruction_prompt if has_chat_template else few_shot_prompt
