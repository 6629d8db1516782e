"""The `model_output` events of a batch of rollouts, by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from logflume.events.reserved import RESERVED_FOR_PIPELINE
from logflume.pipeline.completion_ids import COMPLETION_IDS
from logflume.training.conversations import Conversation, is_conversation, readable
from logflume.training.images import ImageStore
from logflume.training.message_json import messages_json
from logflume.training.output_rows import ArrayRows
from logflume.training.rollouts import Rollouts
from logflume.training.trainer_prompts import read_prompts
from logflume.values.plain import plain
from logflume.values.snapshot import key_text

__all__ = ["completion_columns", "pad"]

_LOCATED = frozenset({"step", "mode", "global_step", "generation", "message"})
"""Further names that a logged column can't have."""

_DECLARED_COLUMNS = frozenset({"question", "answer"})
"""Columns of the dataset that are fields of a completion."""


def completion_columns(
    rollouts: Rollouts,
    kept: Sequence[int],
    conversations: Sequence[Conversation],
    true_answers: Sequence[Any],
    rewards: Mapping[str, Sequence[Any]],
    places: ArrayRows,
) -> tuple[dict[str, Sequence[Any]], list[str]]:
    """Return the fields of the completions in the rows `kept`.

    Args:
        rollouts: The batch.
        kept: The rows to log.
        conversations: The completions of the batch, as they were read.
        true_answers: The correct answer for each completion.
        rewards: The rewards of all completions, by the name of the field.
        places: The row of each completion in the trainer's arrays.

    Returns:
        The fields by name, one value for each completion, and what could not be recorded.
    """
    images = ImageStore()
    rows = len(rollouts.completions)

    def of_rows(values: Any) -> list[Any]:
        padded = pad(values, rows)
        return [padded[row] for row in kept]

    read = [conversations[row] for row in kept]
    lengths, truncated = pad(rollouts.lengths, rows), pad(rollouts.truncated, rows)
    ends = [_ended_by(rollouts, conversations[row], lengths[row], truncated[row]) for row in kept]
    discarded = [places.update[row] is None for row in kept]
    columns: dict[str, Sequence[Any]] = {
        "id": COMPLETION_IDS.take(len(kept)),
        **_prompt_columns(rollouts, kept, images),
        "true_answer": of_rows(true_answers),
        **_message_columns(rollouts, kept, read, images),
        "reasoning": [conversation.reasoning for conversation in read],
        "answer": [conversation.answer for conversation in read],
        **_group_columns(rollouts, kept),
        "completion_tokens": of_rows(_completion_tokens(rollouts)),
        "truncated": [None if end is None else end == "length" for end in ends],
        "ended_by": [
            "filtered" if is_discarded else end
            for is_discarded, end in zip(discarded, ends, strict=True)
        ],
        "turns": [conversation.turns for conversation in read],
        "tool_calls": [conversation.tool_calls for conversation in read],
        "tool_failures": [conversation.tool_failures for conversation in read],
        **{name: of_rows(values) for name, values in rewards.items()},
        "advantage": _select(plain(rollouts.advantages), [places.update[row] for row in kept]),
        "prompt_tokens": _select(
            plain(rollouts.prompt_tokens), [places.prompt[row] for row in kept]
        ),
    }
    if rollouts.tools is not None:
        columns["tools"] = of_rows(rollouts.tools)
    if rollouts.policy_versions is not None:
        columns["policy_version"] = of_rows(rollouts.policy_versions)
    if not rollouts.quality:
        columns["quality"] = [False] * len(kept)
    for name, values in rollouts.columns.items():
        if name not in _DECLARED_COLUMNS:
            columns[f"columns/{name}"] = of_rows(values)
    for name, values in rollouts.extras.items():
        columns[_free_name(key_text(name), columns)] = of_rows(values)
    return columns, images.problems


def pad(values: Any, rows: int) -> Sequence[Any]:
    """Return one value per row, None where there is no value."""
    if not isinstance(values, (list, tuple)):
        return [None] * rows
    return values[:rows] if len(values) >= rows else [*values, *[None] * (rows - len(values))]


def _prompt_columns(
    rollouts: Rollouts, kept: Sequence[int], images: ImageStore
) -> dict[str, Sequence[Any]]:
    prompts = pad(rollouts.prompts, len(rollouts.completions))
    given = pad(rollouts.images, len(prompts))
    paths = [_paths(given[row], images) for row in kept]
    read = read_prompts([prompts[row] for row in kept], paths, images.plain)
    ids = pad(rollouts.prompt_ids, len(prompts))
    questions = pad(rollouts.columns.get("question"), len(prompts))
    columns: dict[str, Sequence[Any]] = {
        "prompt_id": [
            prompt.id if ids[row] is None else str(plain(ids[row]))
            for prompt, row in zip(read, kept, strict=True)
        ],
        "question": [
            prompt.question if questions[row] is None else questions[row]
            for prompt, row in zip(read, kept, strict=True)
        ],
        "prompt": [prompt.text for prompt in read],
        "prompt_messages": [prompt.messages for prompt in read],
    }
    if any(paths):
        columns["images"] = [found or None for found in paths]
    return columns


def _paths(given: Any, images: ImageStore) -> list[str]:
    one_or_more = given if isinstance(given, list) else [given]
    return [images.path_of(image) for image in one_or_more if image is not None]


def _message_columns(
    rollouts: Rollouts,
    kept: Sequence[int],
    conversations: Sequence[Conversation],
    images: ImageStore,
) -> dict[str, Sequence[Any]]:
    texts = [conversation.text for conversation in conversations]
    messages: list[str | None] = [None] * len(kept)
    notes: list[str | None] = [None] * len(kept)
    for i, row in enumerate(kept):
        completion = rollouts.completions[row]
        if is_conversation(completion):
            plain_form = images.plain(completion)
            messages[i], notes[i] = messages_json(plain_form)
            if "[image]" in texts[i]:  # which has a path now
                texts[i] = readable(plain_form)
    columns: dict[str, Sequence[Any]] = {"model_output": texts, "messages": messages}
    return {**columns, "problem": notes} if any(notes) else columns


def _group_columns(rollouts: Rollouts, kept: Sequence[int]) -> dict[str, Sequence[Any]]:
    size = rollouts.group_size
    if rollouts.groups is not None:
        seen: dict[Any, int] = {}
        indices = []
        for group in rollouts.groups:
            indices.append(seen.get(group, 0))
            seen[group] = indices[-1] + 1
        return {
            "group": [rollouts.groups[row] for row in kept],
            "index": [indices[row] for row in kept],
        }
    rows = [rollouts.first_row + row for row in kept]
    return {
        "group": [None if not size else row // size for row in rows],
        "index": [None if not size else row % size for row in rows],
    }


def _completion_tokens(rollouts: Rollouts) -> Sequence[int | None] | None:
    if rollouts.model_tokens is None or rollouts.completion_tokens is None:
        return rollouts.completion_tokens
    produced = pad(plain(rollouts.model_tokens), len(rollouts.completion_tokens))
    return [n or length for n, length in zip(produced, rollouts.completion_tokens, strict=True)]


def _ended_by(
    rollouts: Rollouts, conversation: Conversation, length: int | None, truncated: bool | None
) -> str | None:
    """Return why a completion ended; None if unknown.

    A rollout that ends in a call or in a tool's result ended there for another reason than its
    last token: the trainer returned no more results, or there was no room for them.
    """
    max_rounds, max_tokens = rollouts.max_tool_rounds, rollouts.max_tokens
    is_full = length is not None and max_tokens is not None and length >= max_tokens
    is_open = conversation.ends_with_result or conversation.ends_with_call
    if max_rounds is not None and is_open:
        if conversation.tool_rounds >= max_rounds:
            return "tool_limit"
        # TRL takes back results that don't fit, so the call remains, and its last token is an end.
        return "length" if is_full or conversation.ends_with_call else "stop"
    if conversation.ends_with_result:
        return "length" if is_full else "stop"
    return None if truncated is None else "length" if truncated else "stop"


def _select(values: Any, rows: Sequence[int | None]) -> list[Any]:
    """Return the values of an array in these rows, None where there is none."""
    count = len(values) if isinstance(values, list) else 0
    return [values[row] if row is not None and row < count else None for row in rows]


def _free_name(name: str, columns: Mapping[str, Any]) -> str:
    """Return the name of a logged column, with a prefix if another field has it."""
    if name in columns or name in RESERVED_FOR_PIPELINE or name in _LOCATED:
        return f"columns/{name}"
    return name
