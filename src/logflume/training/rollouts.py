"""One batch of scored completions, and the events that it makes."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from logflume.logger.channels import CHANNELS
from logflume.pipeline.records import Deferred
from logflume.training.function_names import TOTAL
from logflume.training.policies import Policy, keep_all
from logflume.training.texts import final_answer, parse_answer
from logflume.values.plain import plain

__all__ = ["JournalLine", "Rollouts", "log_rollouts"]


def log_rollouts(rollouts: Rollouts) -> None:
    """Log a batch of rollouts; the worker makes its events, once a GPU has made its copies."""
    events = len(rollouts.completions) + 2
    CHANNELS.buffer.put(Deferred(time.time_ns(), CHANNELS.position, rollouts.entries, events))


JournalLine = tuple[str, str, dict[str, Any]]
"""Logger, type and fields of an event."""

Answer = tuple[str | None, str | None]
"""Texts between the reasoning and the answer tags."""

_NAMED = frozenset({"question", "answer"})


class Rollouts(msgspec.Struct, kw_only=True):
    """What is known of one batch of rollouts on this rank. Lists have one item a completion.

    It is filled in the training's thread with copies, and becomes events on the worker.

    Attributes:
        generation: Number of the batch, from 0 within the attempt.
        global_step: Steps that the trainer had done; None where unknown.
        step: Training step, in TRL's convention; None where unknown.
        mode: `train` or `eval`; None where unknown.
        prompts: Texts of the prompts.
        completions: Texts of the completions.
        names: Names of the reward functions.
        table: Rewards of the completions of all ranks, shape [completions, functions], as lists or
            a `PendingArray`; None or NaN: the function does not apply.
        logs_batch: Whether this rank logs the `reward` event, which is about all ranks.
        weights: Weight of each function in the total; 1 where not given.
        advantages: Advantages used for the update.
        prompt_tokens: Lengths of the prompts in tokens.
        completion_tokens: Lengths in tokens.
        truncated: Whether the completion was cut at the length limit.
        columns: Columns of the dataset.
        group_size: Completions a prompt.
        first_row: Place of this rank's first completion among those of all ranks.
        reward_s: Time of each reward function, in seconds.
        generate_s: Time of generating, in seconds.
        keep: Which completions are logged.
        quality: Whether `measure_generations` looks at them.
    """

    generation: int
    global_step: int | None
    step: int | None
    mode: str | None
    prompts: list[str]
    completions: list[str]
    names: list[str]
    table: Any
    logs_batch: bool = True
    weights: dict[str, float] = {}
    advantages: Any = None
    prompt_tokens: Any = None
    completion_tokens: list[int] | None = None
    truncated: list[bool] | None = None
    columns: dict[str, list[Any]] = {}
    group_size: int | None = None
    first_row: int = 0
    reward_s: dict[str, float] = {}
    generate_s: float | None = None
    keep: Policy = keep_all
    quality: bool = True

    def entries(self) -> Iterator[JournalLine]:
        """Yield the events: `reward`, the kept `model_output`s, `generation` last."""
        where: dict[str, Any] = {"step": self.step, "mode": self.mode}
        where |= {"global_step": self.global_step, "generation": self.generation}
        # Lists are plain as they are; of each tuple a copy would be made first.
        given = [*map(list, self.table)] if isinstance(self.table, list) else self.table
        table = [[_number(value) for value in row] for row in plain(given)]
        rows = table[self.first_row : self.first_row + len(self.completions)]
        weights = [self.weights.get(name, 1.0) for name in self.names]
        totals = [_weighted_sum(row, weights) for row in rows]
        answers = [parse_answer(completion) for completion in self.completions]
        true_answers = self._true_answers()
        shown = [f"rewards/{name}" for name in self.names]
        if self.logs_batch:
            # The prefix keeps a function that is called like another field apart from it.
            values = {name: [row[i] for row in table] for i, name in enumerate(shown)}
            fields = {**values, **where, **self._batch_fields(answers, true_answers)}
            yield "reward", "reward", fields
        columns = {
            **{name: [value] * len(rows) for name, value in where.items()},
            **self._texts(answers, true_answers),
            **self._places(),
            **{name: [row[i] for row in rows] for i, name in enumerate(shown)},
            f"rewards/{TOTAL}": totals,
            "advantage": plain(self.advantages),
            "prompt_tokens": plain(self.prompt_tokens),
            **({} if self.quality else {"quality": [False] * len(rows)}),
        }
        outputs = list(zip(*[_filled(c, len(rows)) for c in columns.values()], strict=True))
        for row in self.keep(self.generation, totals, self.group_size):
            yield "model", "model_output", dict(zip(columns, outputs[row], strict=True))
        yield (
            "metrics",
            "generation",
            {
                **where,
                "rows": len(self.completions),
                "generate_s": self.generate_s,
                "reward_s": self.reward_s,
            },
        )

    def _texts(self, answers: list[Answer], true_answers: list[Any]) -> dict[str, Any]:
        return {
            "question": self.columns.get("question"),
            "true_answer": true_answers,
            "model_output": self.completions,
            "reasoning": [reasoning for reasoning, _ in answers],
            "answer": [answer for _, answer in answers],
            "prompt": self.prompts,
        }

    def _places(self) -> dict[str, Any]:
        size = self.group_size
        places = range(self.first_row, self.first_row + len(self.completions))
        return {
            "group": None if size is None else [place // size for place in places],
            "index": None if size is None else [place % size for place in places],
            "completion_tokens": self.completion_tokens,
            "truncated": self.truncated,
            **{f"columns/{name}": v for name, v in self.columns.items() if name not in _NAMED},
        }

    def _true_answers(self) -> list[Any]:
        answers = _filled(self.columns.get("answer"), len(self.completions))
        return [final_answer(answer) for answer in answers]

    def _batch_fields(self, answers: list[Answer], true_answers: list[Any]) -> dict[str, Any]:
        """Return what `flatten_rewards` needs, and how many groups are all right or all wrong."""
        fields: dict[str, Any] = {}
        if any(weight != 1.0 for weight in self.weights.values()):
            fields["weights"] = self.weights
        if self.group_size is None:
            return fields
        fields["num_generations"] = self.group_size
        right = [
            None if true is None else answer == str(true).strip()
            for true, (_, answer) in zip(true_answers, answers, strict=True)
        ]
        size = self.group_size
        groups = [right[i : i + size] for i in range(0, len(right), size)]
        if right and None not in right and len(right) % size == 0 and self.first_row % size == 0:
            fields["frac_all_correct"] = sum(all(group) for group in groups) / len(groups)
            fields["frac_none_correct"] = sum(not any(group) for group in groups) / len(groups)
        return fields


def _number(value: Any) -> float | None:
    """Return a reward as a number; TRL makes NaN of the None that a function returns."""
    return None if value is None or math.isnan(value) else float(value)


def _weighted_sum(row: list[float | None], weights: list[float]) -> float | None:
    applying = [w * value for value, w in zip(row, weights, strict=True) if value is not None]
    return sum(applying) if applying else None


def _filled(values: Any, rows: int) -> Sequence[Any]:
    """Return one value a row, None where there is none."""
    if not isinstance(values, (list, tuple)):
        return [None] * rows
    return values[:rows] if len(values) >= rows else [*values, *[None] * (rows - len(values))]
