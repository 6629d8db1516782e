"""Hooks on a trainer that capture its rollouts without changing them."""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from logflume.guard import Failure, call_guarded, describe
from logflume.logger.logger import get_logger
from logflume.training.function_names import distinct_names
from logflume.training.policies import Policy
from logflume.training.rank_report import RANK_REPORT
from logflume.training.rollouts import Rollouts, log_rollouts
from logflume.training.step_tracker import STEP_TRACKER
from logflume.training.texts import is_all_of_the_model, questions_of, text_of
from logflume.training.wrapped_rewards import WrappedReward, wrap_reward
from logflume.values.snapshot import snapshot

__all__ = ["RolloutHooks"]

_SCORE = "_calculate_rewards"
_GENERATE = "_generate_and_score_completions"


class Stopwatch:
    """Measures the time of reward functions, and stops wrapped ones from logging themselves.

    Attributes:
        seconds: Duration of each function's last call.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._functions: list[Any] = []
        self._names: list[str] = []
        self._timed: list[Any] = []

    def timed(self, functions: Sequence[Any], names: list[str]) -> list[Any]:
        """Return the functions, wrapped to be timed; wrappers of the same functions are reused."""
        self.seconds = {}
        if self._functions != functions or self._names != names:
            self._functions, self._names = list(functions), names
            originals = [f.function if isinstance(f, WrappedReward) else f for f in functions]
            self._timed = [
                wrap_reward(f, name, batch=self) for f, name in zip(originals, names, strict=False)
            ]
        return list(self._timed)

    def add(self, name: str, _values: Any, _call: dict[str, Any], seconds: float) -> None:
        """Record the duration of a function."""
        self.seconds[name] = seconds


class RolloutHooks:
    """Wraps two methods of a trainer's instance: the one that scores and the one that calls it.

    Together they provide everything about a batch of rollouts: texts, the rewards of every function
    (reward models included) and advantages. Both return the results of the trainer's own methods
    unchanged. Errors of logflume are logged and never reach the trainer.

    Args:
        trainer: A `GRPOTrainer`, `RLOOTrainer` or a subclass of one.
        keep: Selects the completions that are logged.
        columns: Columns of the dataset that are logged with each completion.
        quality: Whether the quality of the completions is measured.
    """

    def __init__(
        self, trainer: Any, keep: Policy, columns: Sequence[str], quality: bool = True
    ) -> None:
        self._trainer = trainer
        self._keep = keep
        self._columns = columns
        self._quality = quality
        self._stopwatch = Stopwatch()
        self._scored: dict[str, Any] = {}
        self._originals: dict[str, Any] = {}

    @staticmethod
    def supports(trainer: Any) -> bool:
        """Whether the trainer has the two methods (those of TRL have them since 0.19)."""
        return callable(getattr(trainer, _SCORE, None)) and callable(
            getattr(trainer, _GENERATE, None)
        )

    def install(self) -> None:
        """Wrap the methods."""
        for name, wrapper in ((_SCORE, self._wrap_score), (_GENERATE, self._wrap_generate)):
            self._originals[name] = vars(self._trainer).get(name)
            setattr(self._trainer, name, wrapper(getattr(self._trainer, name)))

    def remove(self) -> None:
        """Restore the trainer's own methods."""
        for name, original in self._originals.items():
            if original is None:
                delattr(self._trainer, name)
            else:
                setattr(self._trainer, name, original)
        self._originals.clear()

    def _wrap_score(self, original: Callable[..., Any]) -> Callable[..., Any]:
        parameters = list(inspect.signature(original).parameters)

        def score(*args: Any, **kwargs: Any) -> Any:
            functions = self._trainer.reward_funcs
            names = distinct_names(self._trainer.reward_func_names)
            self._trainer.reward_funcs = self._stopwatch.timed(functions, names)
            started_s = time.perf_counter()
            try:
                rewards = original(*args, **kwargs)
            finally:
                self._trainer.reward_funcs = functions
            self._scored = {
                "call": {**dict(zip(parameters, args, strict=False)), **kwargs},
                "names": names,
                "rewards": rewards,
                "reward_s": self._stopwatch.seconds,
                "score_s": time.perf_counter() - started_s,
            }
            return rewards

        return score

    def _wrap_generate(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def generate(*args: Any, **kwargs: Any) -> Any:
            self._scored = {}
            started_s = time.perf_counter()
            output = original(*args, **kwargs)
            result = call_guarded(self._log, output, time.perf_counter() - started_s)
            if isinstance(result, Failure):
                get_logger("training").warning(
                    f"A batch of rollouts could not be logged: {describe(result.error)}"
                )
            return output

        return generate

    def _log(self, output: dict[str, Any], elapsed_s: float) -> None:
        trainer, call = self._trainer, self._scored["call"]
        is_training = trainer.model.training
        if is_training:
            score_s, rewards_s = self._scored["score_s"], sum(self._scored["reward_s"].values())
            RANK_REPORT.add_rollouts(elapsed_s - score_s, rewards_s, score_s - rewards_s)
        mode = "train" if is_training else "eval"
        completions = call["completions"]
        token_ids = call["completion_ids_list"]
        end_tokens = _end_tokens(trainer)
        weights = getattr(trainer, "reward_weights", None)
        names = self._scored["names"]
        rollouts = Rollouts(
            generation=STEP_TRACKER.next_generation(mode),
            global_step=trainer.state.global_step,
            step=trainer.state.global_step + (1 if is_training else 0),
            mode=mode,
            prompts=[text_of(prompt) for prompt in call["prompts"]],
            completions=[text_of(completion) for completion in completions],
            names=names,
            table=_copy_values(self._scored["rewards"]),
            logs_batch=trainer.accelerator.is_main_process,
            weights={} if weights is None else dict(zip(names, weights.tolist(), strict=True)),
            advantages=_copy_values(output["advantages"]),
            prompt_tokens=_lengths(output.get("prompt_mask")),
            completion_tokens=_completion_tokens(trainer, completions, token_ids, output),
            model_tokens=_lengths(_model_mask(output)),
            truncated=[not len(ids) or ids[-1] not in end_tokens for ids in token_ids],
            columns=_columns(call, self._columns),
            group_size=_group_size(trainer, is_training),
            first_row=trainer.accelerator.process_index * len(completions),
            reward_s=self._scored["reward_s"],
            generate_s=elapsed_s - self._scored["score_s"],
            keep=self._keep,
            quality=self._quality,
        )
        self._scored = {}
        log_rollouts(rollouts)


def _copy_values(tensor: Any) -> Any:
    """Return the values of a CPU tensor as lists; anything else is snapshotted.

    The snapshot of a GPU tensor is an asynchronous copy, which doesn't wait for the GPU.
    """
    is_on_cpu = getattr(getattr(tensor, "device", None), "type", None) == "cpu"
    return tensor.tolist() if is_on_cpu else snapshot(tensor, max_elements=sys.maxsize)


def _lengths(mask: Any) -> Any:
    """Return the number of tokens of each row, given a mask of shape [rows, tokens]."""
    return None if mask is None else _copy_values(mask.sum(dim=1))


def _model_mask(output: dict[str, Any]) -> Any:
    """Return the mask of the model's own tokens; None if there are no others.

    The tool mask is 1 in the padding, too, so only its product with the completion mask counts.
    """
    tool_mask, completion_mask = output.get("tool_mask"), output.get("completion_mask")
    if tool_mask is None or completion_mask is None:
        return tool_mask
    return tool_mask * completion_mask


def _completion_tokens(
    trainer: Any, completions: Sequence[Any], token_ids: Sequence[Any], output: dict[str, Any]
) -> list[int | None]:
    """Return the length of each completion; None if it may include tokens that aren't the model's.

    Their number follows from the tool mask, unless TRL masks a truncated completion as a whole.
    """
    lengths: list[int | None] = [len(ids) for ids in token_ids]
    if output.get("tool_mask") is None:
        return lengths
    if getattr(trainer, "rollout_func", None) is not None:
        return [None] * len(lengths)
    return [
        length if is_all_of_the_model(completion) else None
        for completion, length in zip(completions, lengths, strict=True)
    ]


def _end_tokens(trainer: Any) -> set[Any]:
    """Return the tokens that end a completion that was not truncated.

    Current versions of TRL have several, in `eos_token_ids`. Older ones had `eos_token_id`, and
    before that only the tokenizer had it.
    """
    tokenizer = getattr(trainer, "_tokenizer", None) or trainer.processing_class
    ids = getattr(trainer, "eos_token_ids", None) or [getattr(trainer, "eos_token_id", None)]
    if ids == [None]:
        ids = [getattr(tokenizer, "eos_token_id", None)]
    return {*ids, getattr(tokenizer, "pad_token_id", None)} - {None}


def _columns(call: dict[str, Any], names: Sequence[str]) -> dict[str, list[Any]]:
    inputs = call["inputs"]
    selected = {"question", "answer", *names}
    columns = {
        name: snapshot([example.get(name) for example in inputs])
        for name in selected & set(inputs[0])
    }
    return {**columns, "question": questions_of(call["prompts"], columns.get("question"))}


def _group_size(trainer: Any, is_training: bool) -> int | None:
    size = getattr(trainer, "num_generations", None)
    return size if is_training else getattr(trainer, "num_generations_eval", size)
