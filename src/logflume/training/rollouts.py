"""A batch of scored completions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from logflume.training.output_rows import ArrayRows, OutputRows
from logflume.training.policies import Policy, keep_all
from logflume.training.token_capture import CopiedTokens

__all__ = ["Rollouts"]


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
