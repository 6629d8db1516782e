"""The supervised warm-up: it teaches the tiny model a habit that GRPO can then improve.

An untrained model never hits the answer format, so all rewards are 0 and there is nothing to learn
from. The warm-up shows it solutions, of which half have a wrong sum and 40 % a broken format: after
it the model is right now and then, in every group of completions, which is what GRPO needs.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from logflume.demo.data import Problem
from logflume.demo.prompts import ask

__all__ = ["noisy_solution", "warm_up"]

_WRONG_SHARE = 0.5
_BROKEN_SHARE = 0.4
_BATCH = 32
_LEARNING_RATE = 5e-3
_IGNORED = -100  # the label that the loss of transformers leaves out

_BROKEN_FORMATS = (
    "<reasoning>\n{sum}\n<answer>\n{answer}\n</answer>",
    "{sum}\n</reasoning>\n<answer>\n{answer}\n</answer>",
    "<reasoning>\n{sum}\n</reasoning>\n<answer>\n{answer}",
)
_FORMAT = "<reasoning>\n{sum}\n</reasoning>\n<answer>\n{answer}\n</answer>"


def noisy_solution(problem: Problem, rng: random.Random) -> str:
    """Return a solution: its sum is one off half of the time, its form broken 40 % of the time."""
    answer = problem.true_sum
    if rng.random() < _WRONG_SHARE:
        answer += rng.choice((-1, 1))
    broken = rng.random() < _BROKEN_SHARE
    form = rng.choice(_BROKEN_FORMATS) if broken else _FORMAT
    return form.format(sum=f"{problem.first}+{problem.second}={answer}", answer=answer)


def warm_up(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: Sequence[Problem],
    *,
    steps: int,
    seed: int,
) -> float:
    """Train `model` on noisy solutions and return the loss of the last step.

    Args:
        model: Changed in place.
        tokenizer: Pads on the left.
        problems: What is asked; the prompts are the same as in training.
        steps: Steps of the optimizer, on 32 solutions each.
        seed: Decides which problems, and which mistakes.
    """
    rng = random.Random(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE)
    model.train()
    last_loss = float("nan")
    for _ in range(steps):
        batch = _tokenize(
            tokenizer,
            [(problem, noisy_solution(problem, rng)) for problem in rng.sample(problems, _BATCH)],
        )
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        last_loss = loss.item()
    return last_loss


def _tokenize(
    tokenizer: PreTrainedTokenizerBase, pairs: Sequence[tuple[Problem, str]]
) -> dict[str, torch.Tensor]:
    """Join prompts and solutions; only the tokens of the solutions count for the loss."""
    rows = [
        (
            tokenizer.apply_chat_template(
                ask(problem.question), add_generation_prompt=True, return_dict=False
            ),
            tokenizer(solution + tokenizer.eos_token, add_special_tokens=False).input_ids,
        )
        for problem, solution in pairs
    ]
    batch = tokenizer.pad({"input_ids": [p + s for p, s in rows]}, return_tensors="pt")
    labels = batch.input_ids.clone()
    for row, (_, solution) in enumerate(rows):
        labels[row, : -len(solution)] = _IGNORED
    return {**batch, "labels": labels}
