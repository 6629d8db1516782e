"""The supervised warm-up of the tiny model, which gives GRPO rewards to learn from.

An untrained model never produces the answer format, so all its rewards are 0. The warm-up trains it
on solutions of which half have a wrong sum and 40% a broken format. After that, every group has
some correct completions, which is what GRPO needs.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from logflume.demo.data import Problem, question_prompt

__all__ = ["warm_up"]

_WRONG_SHARE = 0.5
_BROKEN_SHARE = 0.4
_BATCH = 32
_LEARNING_RATE = 5e-3
_IGNORED = -100  # the label that the loss functions of transformers ignore

_BROKEN_FORMATS = (
    "<reasoning>\n{sum}\n<answer>\n{answer}\n</answer>",
    "{sum}\n</reasoning>\n<answer>\n{answer}\n</answer>",
    "<reasoning>\n{sum}\n</reasoning>\n<answer>\n{answer}",
)
_FORMAT = "<reasoning>\n{sum}\n</reasoning>\n<answer>\n{answer}\n</answer>"


def _noisy_solution(problem: Problem, rng: random.Random) -> str:
    """Return a solution with a sum that is off by one in 50% of cases, a broken format in 40%."""
    answer = problem.true_sum
    if rng.random() < _WRONG_SHARE:
        answer += rng.choice((-1, 1))
    is_broken = rng.random() < _BROKEN_SHARE
    template = rng.choice(_BROKEN_FORMATS) if is_broken else _FORMAT
    return template.format(sum=f"{problem.first}+{problem.second}={answer}", answer=answer)


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
        model: The model; trained in place.
        tokenizer: A tokenizer that pads on the left.
        problems: The problems; their prompts are the same as in the training.
        steps: Number of optimizer steps, each on 32 solutions.
        seed: Seed of the choice of problems and mistakes.
    """
    rng = random.Random(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE)
    model.train()
    last_loss = float("nan")
    for _ in range(steps):
        batch = _tokenize(
            tokenizer,
            [(problem, _noisy_solution(problem, rng)) for problem in rng.sample(problems, _BATCH)],
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
    """Tokenize pairs of problem and solution; only the solution tokens contribute to the loss."""
    rows = [
        (
            tokenizer.apply_chat_template(
                question_prompt(problem.question), add_generation_prompt=True, return_dict=False
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
