"""Reads a batch of rollouts from the arguments and results of a trainer's methods.

The methods are private, so every part is read separately: if a version of the trainer lacks a part,
only that part is missing in the batch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from logflume.guard import Failure, call_guarded, describe
from logflume.logger.logger import get_logger
from logflume.training.conversations import is_all_of_the_model
from logflume.training.images import copy_messages
from logflume.training.log_extra import LoggedColumns
from logflume.training.message_json import messages_json
from logflume.training.output_rows import OutputRows
from logflume.training.policies import Policy, TokenPolicy
from logflume.training.rollouts import Rollouts
from logflume.training.step_tracker import STEP_TRACKER
from logflume.training.token_capture import TokenCapture
from logflume.values.plain import to_plain
from logflume.values.snapshot import snapshot

__all__ = ["CaptureOptions", "ProblemReport", "ScoredBatch", "read_batch"]

T = TypeVar("T")


class CaptureOptions(NamedTuple):
    """What `attach` captures.

    Attributes:
        keep: Selects the completions that are logged.
        columns: Columns of the dataset that are logged with each completion.
        quality: Whether the quality of the completions is measured.
        prompt_id: Column of the dataset that identifies the prompt; None: a hash of the prompt.
        tokens: Selects the completions whose tokens are recorded; None: none.
    """

    keep: Policy
    columns: Sequence[str]
    quality: bool
    prompt_id: str | None
    tokens: TokenPolicy | None


class ProblemReport:
    """Logs problems with the rollouts of a trainer, each kind once.

    The kind is the text before a colon: the reason after it may vary.

    Args:
        trainer: The trainer, whose class is named.
    """

    def __init__(self, trainer: Any) -> None:
        self._trainer = type(trainer).__name__
        self._reported: set[str] = set()

    def __call__(self, problem: str) -> None:
        """Log a problem, unless one of its kind has been logged."""
        kind, _, _ = problem.partition(":")
        if kind not in self._reported:
            self._reported.add(kind)
            get_logger("training").warning(f"{self._trainer}: {problem}")


class ScoredBatch(NamedTuple):
    """One call of the method that scores completions.

    Attributes:
        call: Its arguments by name: `inputs`, `prompts`, `completions`, `completion_ids_list`.
        rewards: What it returned: the rewards of all ranks, shape [completions, functions].
        names: The names of the reward functions.
        completions: Copies of the completions, from before the reward functions got them.
        prompts: Copies of the prompts, likewise; None if they could not be copied.
        logged: What the reward functions logged.
        reward_s: The duration of each reward function.
        score_s: The duration of the call.
    """

    call: Mapping[str, Any]
    rewards: Any
    names: list[str]
    completions: list[Any]
    prompts: list[Any] | None
    logged: LoggedColumns
    reward_s: dict[str, float]
    score_s: float


class _Reader:
    """Reads parts of a batch; one that fails is None, and a problem says so."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def read(self, what: str, function: Callable[..., T], *arguments: Any) -> T | None:
        """Return what a function returns."""
        result = call_guarded(function, *arguments)
        if isinstance(result, Failure):
            self.problems.append(f"{what} could not be read: {describe(result.error)}")
            return None
        return result


def read_batch(
    trainer: Any,
    scored: ScoredBatch,
    output: Any,
    *,
    mode: str,
    global_step: int | None,
    generate_s: float,
    is_partial: bool,
    options: CaptureOptions,
    token_capture: TokenCapture | None,
    report: Callable[[str], None],
) -> Rollouts:
    """Return the rollouts of a batch.

    Args:
        trainer: The trainer.
        scored: The completions and their rewards.
        output: What the trainer returns for them: tensors by name, one row for each completion.
        mode: `train` or `eval`.
        global_step: Steps that the trainer had completed.
        generate_s: The duration of the generation.
        is_partial: Whether the output may have other rows than the scored completions.
        options: What is captured.
        token_capture: Copies the tokens; None: they are not recorded.
        report: Called with each problem that only appears when the events are created.
    """
    reader = _Reader()
    call = scored.call
    completions, prompts = scored.completions, scored.prompts
    count = len(completions)
    token_ids = call.get("completion_ids_list")
    inputs = call.get("inputs")
    fields = output if isinstance(output, Mapping) else {}
    table = reader.read("rewards", _copy_table, scored.rewards, len(scored.names))
    if table is None:
        scored = scored._replace(names=[])
    rank = reader.read("the rank", _rank, trainer)
    index, is_main = (0, True) if rank is None else rank
    weights = reader.read("reward weights", _weights, trainer, scored.names)
    output_rows = None
    if is_partial and token_ids is not None:
        output_rows = reader.read("the discarded rows", _output_rows, token_ids, fields)
    tokens = None
    if token_capture is not None:
        tokens = reader.read("tokens", token_capture.copy, token_ids, fields)
    rollouts = Rollouts(
        generation=STEP_TRACKER.next_generation(mode),
        global_step=global_step,
        step=None if global_step is None else global_step + (1 if mode == "train" else 0),
        mode=mode,
        prompts=prompts or [],
        completions=completions,
        names=scored.names,
        table=[[]] * count if table is None else table,
        logs_batch=is_main,
        weights=weights or {},
        advantages=reader.read("advantages", lambda: _copy_values(fields["advantages"])),
        prompt_tokens=reader.read("lengths of prompts", _lengths, fields.get("prompt_mask")),
        completion_tokens=reader.read(
            "lengths", _completion_tokens, trainer, call["completions"], token_ids, fields
        ),
        model_tokens=reader.read("the tool mask", lambda: _lengths(_model_mask(fields))),
        lengths=reader.read("lengths", _counts, token_ids),
        truncated=reader.read("the last tokens", _truncated, trainer, token_ids),
        max_tokens=_number(trainer, "max_completion_length"),
        max_tool_rounds=_max_tool_rounds(trainer),
        columns=reader.read("columns", _columns, inputs, options.columns) or {},
        extras=scored.logged.columns,
        metrics=scored.logged.metrics,
        prompt_ids=reader.read("prompt ids", _prompt_ids, inputs, options.prompt_id),
        tools=reader.read("tools", _tool_definitions, trainer, count),
        images=reader.read("images", _images, inputs, prompts),
        output_rows=output_rows,
        tokens=tokens,
        group_size=_group_size(trainer, mode),
        first_row=index * count if table is not None else 0,
        reward_s=scored.reward_s,
        generate_s=generate_s,
        keep=options.keep,
        quality=options.quality,
        report=report,
    )
    rollouts.problems = [*dict.fromkeys([*reader.problems, *scored.logged.problems])]
    return rollouts


def _rank(trainer: Any) -> tuple[int, bool]:
    accelerator = trainer.accelerator
    return int(accelerator.process_index), bool(accelerator.is_main_process)


def _copy_values(tensor: Any) -> Any:
    """Return the values of a CPU tensor as lists; anything else is snapshotted.

    The snapshot of a GPU tensor is an asynchronous copy, which doesn't wait for the GPU.
    """
    is_on_cpu = getattr(getattr(tensor, "device", None), "type", None) == "cpu"
    return tensor.tolist() if is_on_cpu else snapshot(tensor, max_elements=sys.maxsize)


def _copy_table(rewards: Any, functions: int) -> Any:
    """Return a copy of the rewards, shape [completions, functions]."""
    shape = tuple(rewards.shape)
    if len(shape) != 2 or shape[1] != functions:
        raise ValueError(f"rewards of shape {shape} for {functions} reward functions")
    return _copy_values(rewards)


def _weights(trainer: Any, names: Sequence[str]) -> dict[str, float]:
    weights = getattr(trainer, "reward_weights", None)
    return {} if weights is None else dict(zip(names, weights.tolist(), strict=True))


def _lengths(mask: Any) -> Any:
    """Return the number of tokens of each row, given a mask of shape [rows, tokens]."""
    return None if mask is None else _copy_values(mask.sum(dim=1))


def _counts(token_ids: Any) -> list[int] | None:
    return None if token_ids is None else [len(ids) for ids in token_ids]


def _model_mask(output: Mapping[str, Any]) -> Any:
    """Return the mask of the model's own tokens; None if there are no others.

    The tool mask is 1 in the padding, too, so only its product with the completion mask counts.
    """
    tool_mask, completion_mask = output.get("tool_mask"), output.get("completion_mask")
    if tool_mask is None or completion_mask is None:
        return tool_mask
    return tool_mask * completion_mask


def _completion_tokens(
    trainer: Any, completions: Sequence[Any], token_ids: Any, output: Mapping[str, Any]
) -> list[int | None] | None:
    """Return the length of each completion; None if it may include tokens that aren't the model's.

    Their number follows from the tool mask, unless TRL masks a truncated completion as a whole.
    """
    if token_ids is None:
        return None
    lengths: list[int | None] = [len(ids) for ids in token_ids]
    if output.get("tool_mask") is None:
        return lengths
    if getattr(trainer, "rollout_func", None) is not None:
        return [None] * len(lengths)
    return [
        length if is_all_of_the_model(completion) else None
        for completion, length in zip(completions, lengths, strict=True)
    ]


def _truncated(trainer: Any, token_ids: Any) -> list[bool | None] | None:
    """Return whether each completion ends without an end token.

    Current versions of TRL have several that do, in `eos_token_ids`. Older ones had `eos_token_id`,
    and before that only the tokenizer had it.
    """
    if token_ids is None:
        return None
    tokenizer = getattr(trainer, "_tokenizer", None) or getattr(trainer, "processing_class", None)
    ids = getattr(trainer, "eos_token_ids", None) or [getattr(trainer, "eos_token_id", None)]
    if ids == [None]:
        ids = [getattr(tokenizer, "eos_token_id", None)]
    ends = {*ids, getattr(tokenizer, "pad_token_id", None)} - {None}
    if not ends:
        return None
    return [not len(tokens) or int(tokens[-1]) not in ends for tokens in token_ids]


def _output_rows(token_ids: Any, output: Mapping[str, Any]) -> OutputRows:
    used_ids = snapshot(output["completion_ids"], max_elements=sys.maxsize)
    used_mask = snapshot(output["completion_mask"], max_elements=sys.maxsize)
    return OutputRows([list(map(int, ids)) for ids in token_ids], used_ids, used_mask)


def _columns(inputs: Any, names: Sequence[str]) -> dict[str, list[Any]]:
    if not inputs:
        return {}
    selected = {"question", "answer", *names} & set(inputs[0])
    return {name: snapshot([example.get(name) for example in inputs]) for name in sorted(selected)}


def _prompt_ids(inputs: Any, column: str | None) -> list[Any] | None:
    if column is None or not inputs:
        return None
    if column not in inputs[0]:
        raise KeyError(f"the dataset has no column {column!r}")
    return [snapshot(example.get(column)) for example in inputs]


def _images(inputs: Any, prompts: Sequence[Any] | None) -> list[Any] | None:
    """Return the images of prompts that are texts: others have them in their messages."""
    if not inputs or not prompts or not isinstance(prompts[0], str):
        return None
    name = next((name for name in ("images", "image") if name in inputs[0]), None)
    return None if name is None else [copy_messages(example.get(name)) for example in inputs]


def _tool_definitions(trainer: Any, rows: int) -> list[str | None] | None:
    """Return the definitions of the tools in each prompt, as JSON text; None without tools.

    With several environments, each row has the tools of its own.
    """
    tools = getattr(trainer, "tools", None)
    if not tools:
        return None
    by_environment = getattr(trainer, "_env_tools", None)
    environments = getattr(trainer, "_batch_environments", None)
    if isinstance(by_environment, dict) and isinstance(environments, list):
        texts = {name: _definitions(of_one) for name, of_one in by_environment.items()}
        return [texts.get(name) for name in environments]
    return [_definitions(tools)] * rows


def _definitions(tools: Sequence[Any]) -> str | None:
    return messages_json([_definition(tool) for tool in tools]).text if tools else None


def _definition(tool: Any) -> Any:
    """Return the definition of a tool as chat templates get it."""
    if not callable(tool):
        return to_plain(tool)
    made = call_guarded(_json_schema, tool)
    if not isinstance(made, Failure):
        return to_plain(made)
    # transformers wants type hints and a docstring with all arguments.
    return {"name": getattr(tool, "__name__", type(tool).__name__), "description": tool.__doc__}


@lru_cache(maxsize=256)
def _json_schema(tool: Callable[..., Any]) -> Any:
    from transformers.utils.chat_template_utils import get_json_schema

    return get_json_schema(tool)


def _group_size(trainer: Any, mode: str) -> int | None:
    size = _number(trainer, "num_generations")
    return size if mode == "train" else _number(trainer, "num_generations_eval") or size


def _number(trainer: Any, name: str) -> int | None:
    value = getattr(trainer, name, None)
    return value if type(value) is int else None


def _max_tool_rounds(trainer: Any) -> int | None:
    """Return how often results are returned to the model; None if the trainer calls no tools."""
    if not getattr(trainer, "tools", None):
        return None
    limit = _number(trainer, "max_tool_calling_iterations")
    return sys.maxsize if limit is None else limit
