"""One batch of scored completions, and the events that it makes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from logflume.training.completions import final_answer, parse_answer
from logflume.training.names import TOTAL
from logflume.training.policies import Policy, keep_all
from logflume.values.plain import plain

__all__ = ["Entry", "Rollouts"]

Entry = tuple[str, str, dict[str, Any]]
"""Logger, type and fields of an event."""

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

    def entries(self) -> Iterator[Entry]:
        """Yield the events: `reward`, the kept `model_output`s, `generation` last."""
        where: dict[str, Any] = {"step": self.step, "mode": self.mode}
        where |= {"global_step": self.global_step, "generation": self.generation}
        table = [[_number(value) for value in row] for row in plain(self.table)]
        rows = table[self.first_row : self.first_row + len(self.completions)]
        totals = [self._total(row) for row in rows]
        answers = [parse_answer(completion) for completion in self.completions]
        shown = [f"rewards/{name}" for name in self.names]
        if self.logs_batch:
            # The prefix keeps a function that is called like another field apart from it.
            values = {name: [row[i] for row in table] for i, name in enumerate(shown)}
            yield "reward", "reward", {**values, **where, **self._batch_fields(answers)}
        advantages, prompt_tokens = plain(self.advantages), plain(self.prompt_tokens)
        for row in self.keep(self.generation, totals, self.group_size):
            fields = self._output(row, answers[row], where)
            fields.update(zip(shown, rows[row], strict=True))
            fields[f"rewards/{TOTAL}"] = totals[row]
            fields["advantage"] = _item(advantages, row)
            fields["prompt_tokens"] = _item(prompt_tokens, row)
            if not self.quality:
                fields["quality"] = False
            yield "model", "model_output", fields
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

    def _output(
        self, row: int, parsed: tuple[str | None, str | None], where: dict[str, Any]
    ) -> dict[str, Any]:
        place = self.first_row + row
        size = self.group_size
        reasoning, answer = parsed
        return {
            **where,
            "question": _item(self.columns.get("question"), row),
            "true_answer": self._true_answer(row),
            "model_output": self.completions[row],
            "reasoning": reasoning,
            "answer": answer,
            "prompt": _item(self.prompts, row),
            "group": None if size is None else place // size,
            "index": None if size is None else place % size,
            "completion_tokens": _item(self.completion_tokens, row),
            "truncated": _item(self.truncated, row),
            **{
                f"columns/{name}": _item(values, row)
                for name, values in self.columns.items()
                if name not in _NAMED
            },
        }

    def _true_answer(self, row: int) -> Any:
        return final_answer(_item(self.columns.get("answer"), row))

    def _total(self, row: list[float | None]) -> float | None:
        applying = [
            self.weights.get(name, 1.0) * value
            for name, value in zip(self.names, row, strict=True)
            if value is not None
        ]
        return sum(applying) if applying else None

    def _batch_fields(self, answers: list[tuple[str | None, str | None]]) -> dict[str, Any]:
        """Return what `flatten_rewards` needs, and how many groups are all right or all wrong."""
        fields: dict[str, Any] = {}
        if any(weight != 1.0 for weight in self.weights.values()):
            fields["weights"] = self.weights
        if self.group_size is None:
            return fields
        fields["num_generations"] = self.group_size
        right = [
            None if (true := self._true_answer(row)) is None else answer == str(true).strip()
            for row, (_, answer) in enumerate(answers)
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


def _item(values: Any, row: int) -> Any:
    return values[row] if isinstance(values, (list, tuple)) and row < len(values) else None
