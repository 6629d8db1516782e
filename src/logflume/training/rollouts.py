"""A batch of scored completions, and the events that it produces."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from logflume.logger.channels import CHANNELS
from logflume.pipeline.records import DeferredRecords
from logflume.training.function_names import TOTAL
from logflume.training.policies import Policy, keep_all
from logflume.training.texts import final_answer, parse_answer
from logflume.values.plain import plain

__all__ = ["ColumnsOfType", "Rollouts", "log_rollouts"]


def log_rollouts(rollouts: Rollouts) -> None:
    """Log a batch of rollouts. Another thread creates its events, once GPU copies have arrived."""
    CHANNELS.warn_if_held()
    texts = (*rollouts.prompts, *rollouts.completions)
    CHANNELS.buffer.put(
        DeferredRecords(
            time.time_ns(),
            CHANNELS.step_and_mode,
            rollouts.columns_by_type,
            record_count=len(rollouts.completions) + 2,
            size_bytes=sum(map(len, texts)),
        )
    )


ColumnsOfType = tuple[str, str, dict[str, Sequence[Any]]]
"""Logger, event type and fields of several events; each field has one value per event."""

ParsedAnswer = tuple[str | None, str | None]
"""The texts between the reasoning tags and between the answer tags."""

_DECLARED_COLUMNS = frozenset({"question", "answer"})


class Rollouts(msgspec.Struct, kw_only=True):
    """One batch of rollouts on this rank. Lists have one item per completion.

    It is padded with copies on the training thread, and turned into events on the worker.

    Attributes:
        generation: Number of the batch, from 0 within the attempt.
        global_step: Steps that the trainer had completed; None if unknown.
        step: Training step, in TRL's convention; None if unknown.
        mode: `train` or `eval`; None if unknown.
        prompts: Texts of the prompts.
        completions: Texts of the completions.
        names: Names of the reward functions.
        table: Rewards of the completions of all ranks, shape [completions, functions], as lists or
            a `PendingArray`. None or NaN: the function does not apply.
        logs_batch: Whether this rank logs the rewards of all ranks. The others log only the shares
            of their groups that are correct.
        weights: Weight of each function in the total; 1 if not given.
        advantages: Advantages used for the update.
        prompt_tokens: Lengths of the prompts in tokens.
        completion_tokens: Lengths of the completions in tokens; None where they may include tokens
            that the model did not produce.
        model_tokens: Numbers of tokens that the model produced, where the trainer distinguishes
            them from others; 0 if unknown.
        truncated: Whether the completion was truncated at the length limit.
        columns: Columns of the dataset.
        group_size: Completions per prompt.
        first_row: Index of this rank's first completion among those of all ranks.
        reward_s: Time of each reward function, in seconds.
        generate_s: Time of the generation, in seconds.
        keep: Selects the completions that are logged.
        quality: Whether `measure_generations` measures the completions.
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
    completion_tokens: Sequence[int | None] | None = None
    model_tokens: Any = None
    truncated: list[bool] | None = None
    columns: dict[str, list[Any]] = {}
    group_size: int | None = None
    first_row: int = 0
    reward_s: dict[str, float] = {}
    generate_s: float | None = None
    keep: Policy = keep_all
    quality: bool = True

    def columns_by_type(self) -> Iterator[ColumnsOfType]:
        """Yield the events by type: `reward`, the selected `model_output`s, then `generation`."""
        common: dict[str, Any] = {"step": self.step, "mode": self.mode}
        common |= {"global_step": self.global_step, "generation": self.generation}
        # Lists are plain already; tuples would each be copied.
        rewards = [*map(list, self.table)] if isinstance(self.table, list) else self.table
        table = [[_number(value) for value in row] for row in plain(rewards)]
        rows = table[self.first_row : self.first_row + len(self.completions)]
        weights = [self.weights.get(name, 1.0) for name in self.names]
        totals = [_weighted_sum(row, weights) for row in rows]
        answers = [parse_answer(completion) for completion in self.completions]
        true_answers = self._true_answers()
        # The prefix distinguishes a function from a field of the same name.
        names = [f"rewards/{name}" for name in self.names]
        shares = self._shares_correct(answers, true_answers)
        if self.logs_batch:
            values = {name: [row[i] for row in table] for i, name in enumerate(names)}
            fields = {**values, **common, **self._batch_fields(), **shares}
            yield "reward", "reward", _one_event(fields)
        elif shares:  # which no other rank knows
            yield "reward", "reward", _one_event({**common, **shares})
        columns = {
            **{name: [value] * len(rows) for name, value in common.items()},
            **self._texts(answers, true_answers),
            **self._completion_fields(),
            **{name: [row[i] for row in rows] for i, name in enumerate(names)},
            f"rewards/{TOTAL}": totals,
            "advantage": plain(self.advantages),
            "prompt_tokens": plain(self.prompt_tokens),
            **({} if self.quality else {"quality": [False] * len(rows)}),
        }
        kept = list(self.keep(self.generation, totals, self.group_size))
        padded = {name: _pad(column, len(rows)) for name, column in columns.items()}
        yield "model", "model_output", {n: [c[row] for row in kept] for n, c in padded.items()}
        timings = {"generate_s": self.generate_s, "reward_s": self.reward_s}
        fields = {**common, "rows": len(self.completions), **timings}
        yield "metrics", "generation", _one_event(fields)

    def _texts(self, answers: list[ParsedAnswer], true_answers: list[Any]) -> dict[str, Any]:
        return {
            "question": self.columns.get("question"),
            "true_answer": true_answers,
            "model_output": self.completions,
            "reasoning": [reasoning for reasoning, _ in answers],
            "answer": [answer for _, answer in answers],
            "prompt": self.prompts,
        }

    def _completion_fields(self) -> dict[str, Any]:
        size = self.group_size
        indices = range(self.first_row, self.first_row + len(self.completions))
        return {
            "group": None if size is None else [index // size for index in indices],
            "index": None if size is None else [index % size for index in indices],
            "completion_tokens": self._completion_tokens(),
            "truncated": self.truncated,
            **{
                f"columns/{name}": v
                for name, v in self.columns.items()
                if name not in _DECLARED_COLUMNS
            },
        }

    def _completion_tokens(self) -> Sequence[int | None] | None:
        if self.model_tokens is None or self.completion_tokens is None:
            return self.completion_tokens
        produced = _pad(plain(self.model_tokens), len(self.completion_tokens))
        return [n or length for n, length in zip(produced, self.completion_tokens, strict=True)]

    def _true_answers(self) -> list[Any]:
        answers = _pad(self.columns.get("answer"), len(self.completions))
        return [final_answer(answer) for answer in answers]

    def _batch_fields(self) -> dict[str, Any]:
        """Return the fields for `flatten_rewards`."""
        fields: dict[str, Any] = {}
        if any(weight != 1.0 for weight in self.weights.values()):
            fields["weights"] = self.weights
        if self.group_size is not None:
            fields["num_generations"] = self.group_size
        return fields

    def _shares_correct(
        self, answers: list[ParsedAnswer], true_answers: list[Any]
    ) -> dict[str, Any]:
        """Return the shares of this rank's groups that are all correct, and that are all wrong.

        Empty if the correctness of some completion is unknown, or if this rank's completions don't
        form complete groups.
        """
        correct = [
            None if true is None else answer == str(true).strip()
            for true, (_, answer) in zip(true_answers, answers, strict=True)
        ]
        size = self.group_size
        if not size or not correct or None in correct or len(correct) % size:
            return {}
        if self.first_row % size:
            return {}
        groups = [correct[i : i + size] for i in range(0, len(correct), size)]
        return {
            "groups": len(groups),
            "frac_all_correct": sum(all(group) for group in groups) / len(groups),
            "frac_none_correct": sum(not any(group) for group in groups) / len(groups),
        }


def _one_event(fields: dict[str, Any]) -> dict[str, Sequence[Any]]:
    return {name: [value] for name, value in fields.items()}


def _number(value: Any) -> float | None:
    """Return a reward as a number. TRL replaces a function's None by NaN."""
    return None if value is None or math.isnan(value) else float(value)


def _weighted_sum(row: list[float | None], weights: list[float]) -> float | None:
    terms = [w * value for value, w in zip(row, weights, strict=True) if value is not None]
    return sum(terms) if terms else None


def _pad(values: Any, rows: int) -> Sequence[Any]:
    """Return one value per row, None where there is no value."""
    if not isinstance(values, (list, tuple)):
        return [None] * rows
    return values[:rows] if len(values) >= rows else [*values, *[None] * (rows - len(values))]
