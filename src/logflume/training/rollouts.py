"""A batch of scored completions, and the events that it produces."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from logflume.guard import Failure, call_guarded, describe
from logflume.logger.channels import CHANNELS
from logflume.pipeline.records import DeferredRecords
from logflume.training.answer_parsing import final_answer
from logflume.training.completion_columns import completion_columns, pad
from logflume.training.conversations import Conversation, only_content, read_completion
from logflume.training.function_names import TOTAL
from logflume.training.log_extra import mean_metrics
from logflume.training.output_rows import ArrayRows, OutputRows
from logflume.training.policies import Policy, keep_all, valid_rows
from logflume.training.token_capture import CopiedTokens
from logflume.values.plain import plain
from logflume.values.snapshot import memory_bytes

__all__ = ["ColumnsOfType", "Rollouts", "log_rollouts"]


def log_rollouts(rollouts: Rollouts) -> None:
    """Log a batch of rollouts. Another thread creates its events, once GPU copies have arrived."""
    CHANNELS.warn_if_held()
    CHANNELS.buffer.put(
        DeferredRecords(
            time.time_ns(),
            CHANNELS.step_and_mode,
            rollouts.columns_by_type,
            record_count=len(rollouts.completions) + 2,
            size_bytes=sum(map(_size, rollouts.prompts))
            + sum(map(_size, rollouts.completions))
            + (0 if rollouts.tokens is None else rollouts.tokens.memory_bytes),
        )
    )


def _size(value: Any) -> int:
    """Return the approximate memory of a prompt or completion."""
    text = only_content(value)
    return memory_bytes((value,)) if text is None else len(text)


ColumnsOfType = tuple[str, str, dict[str, Sequence[Any]]]
"""Logger, event type and fields of several events; each field has one value per event."""


class Rollouts(msgspec.Struct, kw_only=True):
    """One batch of rollouts on this rank. Lists have one item per completion.

    It is filled with copies on the training thread. Another thread turns it into events.

    Attributes:
        generation: Number of the batch, from 0 within the attempt.
        global_step: Steps that the trainer had completed; None if unknown.
        step: Training step, in TRL's convention; None if unknown.
        mode: `train` or `eval`; None if unknown.
        prompts: The prompts, texts or conversations, as `copy_messages` copies them.
        completions: The completions, likewise.
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
        lengths: Lengths of the completions in tokens, those of tools included.
        truncated: Whether the completion ends without an end token.
        max_tokens: The length limit of completions.
        max_tool_rounds: How often results of tools are returned to the model at most; None if the
            trainer calls no tools.
        columns: Columns of the dataset.
        extras: Columns of values that reward functions and `rollout_func` add to completions.
        metrics: Values that reward functions log with `log_metric`, not one for each completion.
        prompt_ids: Ids of the prompts, where a column has them.
        tools: Definitions of the tools in each prompt, as JSON text.
        images: Images that belong to each prompt, and are not in its messages.
        policy_versions: Versions of the weights that generated the completions.
        output_rows: Which of the completions the trainer uses; None: all.
        tokens: The tokens of the completions; None: they are not recorded.
        group_size: Completions per prompt.
        groups: Number of each completion's prompt; None: it follows from the row.
        first_row: Index of this rank's first completion among those of all ranks.
        reward_s: Time of each reward function, in seconds.
        generate_s: Time of the generation, in seconds.
        keep: Selects the completions that are logged.
        quality: Whether `measure_generations` measures the completions.
        problems: What could not be read from the trainer.
        report: Called with each problem that only appears when the events are created.
    """

    generation: int
    global_step: int | None
    step: int | None
    mode: str | None
    prompts: list[Any]
    completions: list[Any]
    names: list[str]
    table: Any
    logs_batch: bool = True
    weights: dict[str, float] = {}
    advantages: Any = None
    prompt_tokens: Any = None
    completion_tokens: Sequence[int | None] | None = None
    model_tokens: Any = None
    lengths: Sequence[int] | None = None
    truncated: Sequence[bool | None] | None = None
    max_tokens: int | None = None
    max_tool_rounds: int | None = None
    columns: dict[str, list[Any]] = {}
    extras: dict[str, list[Any]] = {}
    metrics: dict[str, list[Any]] = {}
    prompt_ids: Sequence[Any] | None = None
    tools: Sequence[str | None] | None = None
    images: Sequence[Any] | None = None
    policy_versions: Sequence[int | None] | None = None
    output_rows: OutputRows | ArrayRows | None = None
    tokens: CopiedTokens | None = None
    group_size: int | None = None
    groups: Sequence[int | None] | None = None
    first_row: int = 0
    reward_s: dict[str, float] = {}
    generate_s: float | None = None
    keep: Policy = keep_all
    quality: bool = True
    problems: list[str] = []
    report: Callable[[str], None] | None = None

    def columns_by_type(self) -> Iterator[ColumnsOfType]:
        """Yield the events by type: `reward`, those of selected completions, then `generation`."""
        common: dict[str, Any] = {"step": self.step, "mode": self.mode}
        common |= {"global_step": self.global_step, "generation": self.generation}
        count = len(self.completions)
        # Lists are plain already; tuples would each be copied.
        rewards = [*map(list, self.table)] if isinstance(self.table, list) else self.table
        table = [[_number(value) for value in row] for row in plain(rewards)]
        # A trainer that doesn't gather the rewards has those of this rank only.
        first = self.first_row if self.first_row + count <= len(table) else 0
        rows = table[first : first + count]
        rows += [[None] * len(self.names)] * (count - len(rows))
        weights = [self.weights.get(name, 1.0) for name in self.names]
        totals = [_weighted_sum(row, weights) for row in rows]
        conversations = [read_completion(completion) for completion in self.completions]
        true_answers = [final_answer(answer) for answer in pad(self.columns.get("answer"), count)]
        # The prefix distinguishes a function from a field of the same name.
        names = [f"rewards/{name}" for name in self.names]
        shares = self._shares_correct(conversations, true_answers)
        if self.logs_batch and names:
            values = {name: [row[i] for row in table] for i, name in enumerate(names)}
            fields = {**values, **common, **self._batch_fields(), **shares}
            yield "reward", "reward", _one_event(fields)
        elif shares:  # which no other rank knows
            yield "reward", "reward", _one_event({**common, **shares})
        kept, problems = self._kept(totals)
        rewards_of_rows = {name: [row[i] for row in rows] for i, name in enumerate(names)}
        rewards_of_rows[f"rewards/{TOTAL}"] = totals
        places = self._places()
        columns, unrecorded = completion_columns(
            self, kept, conversations, true_answers, rewards_of_rows, places
        )
        located = {name: [value] * len(kept) for name, value in common.items()}
        yield "model", "model_output", {**located, **columns}
        problems += unrecorded
        if self.tokens is not None:
            ids = dict(zip(kept, columns["id"], strict=True))
            found = call_guarded(
                self.tokens.columns, self.generation, totals, self.group_size, ids, places.update
            )
            if isinstance(found, Failure):
                found = {}, [f"tokens could not be recorded: {describe(found.error)}"]
            of_tokens, unrecorded = found
            problems += unrecorded
            if size := len(of_tokens.get("id", ())):
                located = {name: [value] * size for name, value in common.items()}
                yield "model", "tokens", {**located, **of_tokens}
        timings = {"generate_s": self.generate_s, "reward_s": self.reward_s}
        fields = {**common, "rows": count, **timings}
        if means := mean_metrics(self.metrics):
            fields["metrics"] = means
        if self.report is not None:
            for problem in problems:
                self.report(problem)
        if problems := [*self.problems, *problems]:
            fields["problem"] = "; ".join(dict.fromkeys(problems))
        yield "metrics", "generation", _one_event(fields)

    def _kept(self, totals: list[float | None]) -> tuple[list[int], list[str]]:
        """Return the rows that the policy selects, all if it fails, and what is wrong with it."""
        selected = call_guarded(lambda: [*self.keep(self.generation, totals, self.group_size)])
        rows = range(len(totals))
        if isinstance(selected, Failure):
            why = describe(selected.error)
            return list(rows), [f"the policy for rollouts failed, so all are logged: {why}"]
        kept, is_valid = valid_rows(selected, len(rows))
        missing = "the policy for rollouts selects rows that the batch doesn't have"
        return kept, [] if is_valid else [missing]

    def _places(self) -> ArrayRows:
        """Return the rows of the completions in the trainer's arrays."""
        if isinstance(self.output_rows, OutputRows):
            return self.output_rows.find()
        rows = range(len(self.completions))
        return ArrayRows(rows, rows) if self.output_rows is None else self.output_rows

    def _batch_fields(self) -> dict[str, Any]:
        """Return the fields for `flatten_rewards`."""
        fields: dict[str, Any] = {}
        if any(weight != 1.0 for weight in self.weights.values()):
            fields["weights"] = self.weights
        if self.group_size is not None:
            fields["num_generations"] = self.group_size
        return fields

    def _shares_correct(
        self, conversations: list[Conversation], true_answers: list[Any]
    ) -> dict[str, Any]:
        """Return the shares of this rank's groups that are all correct, and that are all wrong.

        Empty if the correctness of some completion is unknown, if none has an answer, or if this
        rank's completions don't form complete groups.
        """
        has_answers = any(one.answer for one in conversations)
        correct = [
            None if true is None or not has_answers else conversation.answer == str(true).strip()
            for true, conversation in zip(true_answers, conversations, strict=True)
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
