"""One batch of rollouts, from the calls of the reward functions to its events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from logflume.logger import get_logger
from logflume.training.completions import final_answer, parse_answer, text_of
from logflume.training.phase import PHASE

__all__ = ["RewardBatch"]


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
        self._values[name] = _plain(values)
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
        step, mode = PHASE.locate(getattr(call.get("trainer_state"), "global_step", None))
        where = {"step": step, "mode": mode, "generation": PHASE.generation}
        completions = call.get("completions") or []
        get_logger("reward").info("reward", **self._values, **where)
        get_logger("metrics").info(
            "generation", **where, rows=len(completions), reward_s=self._seconds
        )
        if PHASE.generation % PHASE.outputs_every == 0:
            for row in range(len(completions)):
                self._log_output(row, call, where)
        PHASE.generation += 1

    def _log_output(self, row: int, call: dict[str, Any], where: dict[str, Any]) -> None:
        text = text_of(call["completions"][row])
        reasoning, answer = parse_answer(text)
        token_ids = _item(call.get("completion_ids"), row)
        rewards = {name: _item(values, row) for name, values in self._values.items()}
        applying = [value for value in rewards.values() if value is not None]
        get_logger("model").info(
            "model_output",
            **where,
            question=_question(call, row),
            true_answer=final_answer(_item(call.get("answer"), row)),
            model_output=text,
            reasoning=reasoning,
            answer=answer,
            prompt=text_of(_item(call.get("prompts"), row)),
            completion_tokens=None if token_ids is None else len(token_ids),
            rewards={**rewards, "total": sum(applying) if applying else None},
        )


def _plain(values: Any) -> list[Any]:
    """Return rewards as a list of numbers: from a CPU tensor, an array or any iterable."""
    return list(values.tolist() if hasattr(values, "tolist") else values)


def _item(values: Any, row: int) -> Any:
    return values[row] if isinstance(values, (list, tuple)) and row < len(values) else None


def _question(call: dict[str, Any], row: int) -> Any:
    if (question := _item(call.get("question"), row)) is not None:
        return question
    prompt = _item(call.get("prompts"), row)
    if isinstance(prompt, list) and prompt and isinstance(prompt[-1], dict):
        return text_of(prompt[-1:])
    return prompt
