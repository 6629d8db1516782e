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
    """Return a completion whose sum is one off half of the time, and the format broken 40 % of the time."""
    answer = problem.true_sum
    if rng.random() < _WRONG_SHARE:
        answer += rng.choice((-1, 1))
    broken = rng.random() < _BROKEN_SHARE
    form = rng.choice(_BROKEN_FORMATS) if broken else _FORMAT
    return form.format(sum=f"{problem.first}+{problem.second}={answer}", answer=answer)


def warm_up(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    problems: Sequence[Problem],
    *,
    steps: int,
    seed: int,
) -> float:
    """Train `model` on noisy solutions and return the loss of the last step.

    Args:
        model: Changed in place.
        tokenizer: Pads on the left.
        prompts: One text a problem, as the model gets it in training.
        problems: What the prompts ask.
        steps: Steps of the optimizer, on 32 solutions each.
        seed: Decides which problems, and which mistakes.
    """
    rng = random.Random(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE)
    model.train()
    last_loss = float("nan")
    for _ in range(steps):
        rows = rng.sample(range(len(problems)), _BATCH)
        batch = _tokenize(
            tokenizer, [(prompts[row], noisy_solution(problems[row], rng)) for row in rows]
        )
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        last_loss = loss.item()
    return last_loss


def _tokenize(
    tokenizer: PreTrainedTokenizerBase, pairs: Sequence[tuple[str, str]]
) -> dict[str, torch.Tensor]:
    """Join prompts and solutions; only the tokens of the solutions count for the loss."""
    rows = [
        (
            tokenizer(prompt, add_special_tokens=False).input_ids,
            tokenizer(solution + tokenizer.eos_token, add_special_tokens=False).input_ids,
        )
        for prompt, solution in pairs
    ]
    batch = tokenizer.pad({"input_ids": [p + s for p, s in rows]}, return_tensors="pt")
    labels = batch.input_ids.clone()
    for row, (_, solution) in enumerate(rows):
        labels[row, : -len(solution)] = _IGNORED
    return {**batch, "labels": labels}
