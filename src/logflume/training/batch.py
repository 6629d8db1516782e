"""The results of several reward functions, put together to one batch of rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from logflume.training.completions import questions_of, text_of
from logflume.training.later import log_rollouts
from logflume.training.phase import PHASE
from logflume.training.policies import every
from logflume.training.rollouts import Rollouts
from logflume.values.snapshot import snapshot

__all__ = ["Collector", "RewardBatch"]


class Collector(Protocol):
    """What a wrapped reward function tells its results to."""

    def add(self, name: str, values: Any, call: dict[str, Any], seconds: float, /) -> None:
        """Take the result of one function, the arguments of its call and its time."""


class RewardBatch:
    """Gathers the results of all reward functions of a batch; the last one completes it.

    Args:
        names: Names of the functions that are called for each batch.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)
        self._values: dict[str, Any] = {}
        self._seconds: dict[str, float] = {}

    def add(self, name: str, values: Any, call: dict[str, Any], seconds: float) -> None:
        """Take the result of one function, and log the batch if it was the last.

        Args:
            name: Name of the function.
            values: What it gave: one number or None a completion, in a list, array or tensor.
            call: The keyword arguments of the call, as TRL gives them.
            seconds: How long it took.
        """
        if name in self._values:
            # Called again before the others: the batch before was cut short by an error.
            self._clear()
        self._values[name] = list(values.tolist() if hasattr(values, "tolist") else values)
        self._seconds[name] = seconds
        if len(self._values) == len(self._names):
            try:
                self._log(call)
            finally:
                self._clear()

    def _clear(self) -> None:
        self._values = {}
        self._seconds = {}

    def _log(self, call: dict[str, Any]) -> None:
        global_step = getattr(call.get("trainer_state"), "global_step", None)
        step, mode = PHASE.locate(global_step)
        token_ids = call.get("completion_ids")
        prompts = call.get("prompts") or []
        columns: dict[str, list[Any]] = {
            name: snapshot(call[name]) for name in ("question", "answer") if name in call
        }
        columns["question"] = questions_of(prompts, columns.get("question"))
        rollouts = Rollouts(
            generation=PHASE.number_rollouts(mode),
            global_step=global_step,
            step=step,
            mode=mode,
            prompts=[text_of(prompt) for prompt in prompts],
            completions=[text_of(completion) for completion in call.get("completions") or []],
            names=self._names,
            table=list(zip(*(self._values[name] for name in self._names), strict=True)),
            completion_tokens=None if token_ids is None else [len(ids) for ids in token_ids],
            columns=columns,
            reward_s=self._seconds,
            keep=every(PHASE.outputs_every),
        )
        log_rollouts(rollouts)
