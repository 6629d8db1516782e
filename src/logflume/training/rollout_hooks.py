"""Listening to the rollouts of a trainer, without changing what it does."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from typing import Any

from logflume.guard import Failure, call_guarded, describe
from logflume.logger.logger import get_logger
from logflume.training.function_names import distinct
from logflume.training.policies import Policy
from logflume.training.rollouts import Rollouts, log_rollouts
from logflume.training.step_tracker import PHASE
from logflume.training.texts import questions_of, text_of
from logflume.training.wrapped_rewards import WrappedReward, wrap_reward
from logflume.values.snapshot import snapshot

__all__ = ["RolloutHooks"]

_SCORE = "_calculate_rewards"
_GENERATE = "_generate_and_score_completions"


class Stopwatch:
    """Times reward functions; those that log for themselves are silenced.

    Attributes:
        seconds: The time of each function at its last call.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._functions: list[Any] = []
        self._names: list[str] = []
        self._timed: list[Any] = []

    def timed(self, functions: Sequence[Any], names: list[str]) -> list[Any]:
        """Return the functions with the stopwatch. They are wrapped again if they are others."""
        self.seconds = {}
        if self._functions != functions or self._names != names:
            self._functions, self._names = list(functions), names
            originals = [f.function if isinstance(f, WrappedReward) else f for f in functions]
            self._timed = [
                wrap_reward(f, name, batch=self) for f, name in zip(originals, names, strict=False)
            ]
        return list(self._timed)

    def add(self, name: str, _values: Any, _call: dict[str, Any], seconds: float) -> None:
        """Note the time of a function."""
        self.seconds[name] = seconds


class RolloutHooks:
    """Wraps two methods on a trainer's instance: the one that scores and the one around it.

    Together they know all of a batch of rollouts: texts, rewards of every function (reward models
    included), advantages. Both hand on what the trainer's own methods give, untouched; what goes
    wrong on our side is logged and stays here.

    Args:
        trainer: A `GRPOTrainer`, `RLOOTrainer` or a subclass of one.
        keep: Which completions are logged.
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
        self._found: dict[str, Any] = {}

    @staticmethod
    def fits(trainer: Any) -> bool:
        """Whether the trainer has the two methods (TRL's have since 0.19)."""
        return callable(getattr(trainer, _SCORE, None)) and callable(
            getattr(trainer, _GENERATE, None)
        )

    def install(self) -> None:
        """Wrap the methods."""
        for name, wrapper in ((_SCORE, self._wrap_score), (_GENERATE, self._wrap_generate)):
            self._found[name] = vars(self._trainer).get(name)
            setattr(self._trainer, name, wrapper(getattr(self._trainer, name)))

    def remove(self) -> None:
        """Leave the trainer as it was found."""
        for name, found in self._found.items():
            if found is None:
                delattr(self._trainer, name)
            else:
                setattr(self._trainer, name, found)
        self._found.clear()

    def _wrap_score(self, original: Callable[..., Any]) -> Callable[..., Any]:
        parameters = list(inspect.signature(original).parameters)

        def score(*args: Any, **kwargs: Any) -> Any:
            functions = self._trainer.reward_funcs
            names = distinct(self._trainer.reward_func_names)
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
            logged = call_guarded(self._log, output, time.perf_counter() - started_s)
            if isinstance(logged, Failure):
                get_logger("training").warning(
                    f"A batch of rollouts could not be logged: {describe(logged.error)}"
                )
            return output

        return generate

    def _log(self, output: dict[str, Any], elapsed_s: float) -> None:
        trainer, call = self._trainer, self._scored["call"]
        is_training = trainer.model.training
        mode = "train" if is_training else "eval"
        completions = call["completions"]
        token_ids = call["completion_ids_list"]
        ends = _end_tokens(trainer)
        weights = getattr(trainer, "reward_weights", None)
        names = self._scored["names"]
        rollouts = Rollouts(
            generation=PHASE.number_rollouts(mode),
            global_step=trainer.state.global_step,
            step=trainer.state.global_step + (1 if is_training else 0),
            mode=mode,
            prompts=[text_of(prompt) for prompt in call["prompts"]],
            completions=[text_of(completion) for completion in completions],
            names=names,
            table=_copied(self._scored["rewards"]),
            logs_batch=trainer.accelerator.is_main_process,
            weights={} if weights is None else dict(zip(names, weights.tolist(), strict=True)),
            advantages=_copied(output["advantages"]),
            prompt_tokens=_lengths(output.get("prompt_mask")),
            completion_tokens=[len(ids) for ids in token_ids],
            truncated=[not len(ids) or ids[-1] not in ends for ids in token_ids],
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


def _copied(tensor: Any) -> Any:
    """Return the values of a tensor; those on a GPU are on their way. Else it is a snapshot."""
    is_here = getattr(getattr(tensor, "device", None), "type", None) == "cpu"
    return tensor.tolist() if is_here else snapshot(tensor)


def _lengths(mask: Any) -> Any:
    """Return how many tokens of each row a mask of shape [rows, tokens] keeps."""
    return None if mask is None else _copied(mask.sum(dim=1))


def _end_tokens(trainer: Any) -> set[Any]:
    """Return the tokens with which a completion ends that was not cut.

    TRL has several of them in `eos_token_ids`; before, it had one, and earlier its tokenizer's.
    """
    tokenizer = getattr(trainer, "_tokenizer", None) or trainer.processing_class
    ends = getattr(trainer, "eos_token_ids", None) or [getattr(trainer, "eos_token_id", None)]
    if ends == [None]:
        ends = [getattr(tokenizer, "eos_token_id", None)]
    return {*ends, getattr(tokenizer, "pad_token_id", None)} - {None}


def _columns(call: dict[str, Any], names: Sequence[str]) -> dict[str, list[Any]]:
    inputs = call["inputs"]
    wanted = {"question", "answer", *names}
    columns = {
        name: snapshot([example.get(name) for example in inputs])
        for name in wanted & set(inputs[0])
    }
    return {**columns, "question": questions_of(call["prompts"], columns.get("question"))}


def _group_size(trainer: Any, is_training: bool) -> int | None:
    size = getattr(trainer, "num_generations", None)
    return size if is_training else getattr(trainer, "num_generations_eval", size)
