"""How a question is put to a model: as a chat, or as text to go on with."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Chat", "Prompt", "ask", "ask_with_examples", "ask_with_instruction", "choose_prompt"]

Chat = list[dict[str, str]]
"""The messages of a chat, each with `role` and `content`."""

Prompt = str | Chat
"""What TRL takes as a prompt."""

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


def ask(question: str) -> Chat:
    """Return the question alone, for the tiny model, which knows nothing else."""
    return [{"role": "user", "content": question}]


def ask_with_instruction(question: str) -> Chat:
    """Return a chat that says which form the answer must have.

    It is one turn of the user: not every chat template knows the role `system`.
    """
    return ask(_INSTRUCTION + question)


def ask_with_examples(question: str) -> str:
    """Return two worked examples and the question, for a base model to go on with."""
    return f"{_EXAMPLES}Question: {question}\n"


def choose_prompt(*, has_chat_template: bool) -> Callable[[str], Prompt]:
    """Return how to ask a real model: chat models have a template, base models have none."""
    return ask_with_instruction if has_chat_template else ask_with_examples
