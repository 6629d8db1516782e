"""The events that a batch of rollouts produces."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from logflume.guard import Failure, call_guarded, describe
from logflume.logger.channels import CHANNELS
from logflume.pipeline.records import DeferredRecords
from logflume.training.answer_parsing import final_answer
from logflume.training.completion_columns import completion_columns, pad
from logflume.training.conversations import Conversation, only_content, read_completion
from logflume.training.function_names import TOTAL
from logflume.training.log_extra import mean_metrics
from logflume.training.output_rows import ArrayRows, OutputRows
from logflume.training.policies import valid_rows
from logflume.training.rollouts import Rollouts
from logflume.training.token_capture import CopiedTokens
from logflume.values.plain import plain
from logflume.values.snapshot import memory_bytes

__all__ = ["ColumnsOfType", "columns_by_type", "log_rollouts"]

ColumnsOfType = tuple[str, str, dict[str, Sequence[Any]]]
"""Logger, event type and fields of several events; each field has one value per event."""


def log_rollouts(rollouts: Rollouts) -> None:
    """Log a batch of rollouts. Another thread creates its events, once GPU copies have arrived."""
    CHANNELS.warn_if_held()
    CHANNELS.buffer.put(
        DeferredRecords(
            time.time_ns(),
            CHANNELS.step_and_mode,
            partial(columns_by_type, rollouts),
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


def columns_by_type(rollouts: Rollouts) -> Iterator[ColumnsOfType]:
    """Yield the events by type: `reward`, those of selected completions, then `generation`."""
    common: dict[str, Any] = {"step": rollouts.step, "mode": rollouts.mode}
    common |= {"global_step": rollouts.global_step, "generation": rollouts.generation}
    count = len(rollouts.completions)
    # Lists are plain already; tuples would each be copied.
    rewards = [*map(list, rollouts.table)] if isinstance(rollouts.table, list) else rollouts.table
    table = [[_number(value) for value in row] for row in plain(rewards)]
    # A trainer that doesn't gather the rewards has those of this rank only.
    first = rollouts.first_row if rollouts.first_row + count <= len(table) else 0
    rows = table[first : first + count]
    rows += [[None] * len(rollouts.names)] * (count - len(rows))
    weights = [rollouts.weights.get(name, 1.0) for name in rollouts.names]
    totals = [_weighted_sum(row, weights) for row in rows]
    conversations = [read_completion(completion) for completion in rollouts.completions]
    true_answers = [final_answer(answer) for answer in pad(rollouts.columns.get("answer"), count)]
    # The prefix distinguishes a function from a field of the same name.
    names = [f"rewards/{name}" for name in rollouts.names]
    shares = _shares_correct(rollouts, conversations, true_answers)
    if rollouts.logs_batch and names:
        values = {name: [row[i] for row in table] for i, name in enumerate(names)}
        fields = {**values, **common, **_batch_fields(rollouts), **shares}
        yield "reward", "reward", _one_event(fields)
    elif shares:  # which no other rank knows
        yield "reward", "reward", _one_event({**common, **shares})
    kept, problems = _kept(rollouts, totals)
    rewards_of_rows = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    rewards_of_rows[f"rewards/{TOTAL}"] = totals
    places = _places(rollouts)
    columns, unrecorded = completion_columns(
        rollouts, kept, conversations, true_answers, rewards_of_rows, places
    )
    located = {name: [value] * len(kept) for name, value in common.items()}
    yield "model", "model_output", {**located, **columns}
    problems += unrecorded
    if rollouts.tokens is not None:
        ids = dict(zip(kept, columns["id"], strict=True))
        of_tokens, unrecorded = _token_columns(rollouts.tokens, rollouts, totals, ids, places)
        problems += unrecorded
        if size := len(of_tokens.get("id", ())):
            located = {name: [value] * size for name, value in common.items()}
            yield "model", "tokens", {**located, **of_tokens}
    timings = {"generate_s": rollouts.generate_s, "reward_s": rollouts.reward_s}
    fields = {**common, "rows": count, **timings}
    if means := mean_metrics(rollouts.metrics):
        fields["metrics"] = means
    if rollouts.report is not None:
        for problem in problems:
            rollouts.report(problem)
    if problems := [*rollouts.problems, *problems]:
        fields["problem"] = "; ".join(dict.fromkeys(problems))
    yield "metrics", "generation", _one_event(fields)


def _kept(rollouts: Rollouts, totals: list[float | None]) -> tuple[list[int], list[str]]:
    """Return the rows that the policy selects, all if it fails, and what is wrong with it."""
    selected = call_guarded(
        lambda: [*rollouts.keep(rollouts.generation, totals, rollouts.group_size)]
    )
    rows = range(len(totals))
    if isinstance(selected, Failure):
        why = describe(selected.error)
        return list(rows), [f"the policy for rollouts failed, so all are logged: {why}"]
    kept, is_valid = valid_rows(selected, len(rows))
    missing = "the policy for rollouts selects rows that the batch doesn't have"
    return kept, [] if is_valid else [missing]


def _token_columns(
    tokens: CopiedTokens,
    rollouts: Rollouts,
    totals: list[float | None],
    ids: dict[int, str],
    places: ArrayRows,
) -> tuple[dict[str, list[Any]], list[str]]:
    """Return the columns of the tokens of logged completions, and what could not be recorded."""
    found = call_guarded(
        tokens.columns, rollouts.generation, totals, rollouts.group_size, ids, places.update
    )
    if isinstance(found, Failure):
        return {}, [f"tokens could not be recorded: {describe(found.error)}"]
    return found


def _places(rollouts: Rollouts) -> ArrayRows:
    """Return the rows of the completions in the trainer's arrays."""
    if isinstance(rollouts.output_rows, OutputRows):
        return rollouts.output_rows.find()
    rows = range(len(rollouts.completions))
    return ArrayRows(rows, rows) if rollouts.output_rows is None else rollouts.output_rows


def _batch_fields(rollouts: Rollouts) -> dict[str, Any]:
    """Return the fields for `flatten_rewards`."""
    fields: dict[str, Any] = {}
    if any(weight != 1.0 for weight in rollouts.weights.values()):
        fields["weights"] = rollouts.weights
    if rollouts.group_size is not None:
        fields["num_generations"] = rollouts.group_size
    return fields


def _shares_correct(
    rollouts: Rollouts, conversations: list[Conversation], true_answers: list[Any]
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
    size = rollouts.group_size
    if not size or not correct or None in correct or len(correct) % size:
        return {}
    if rollouts.first_row % size:
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
