"""Tracks the step, mode and batches of rollouts of training, for the reward functions.

TRL passes a reward function neither the mode nor the number of the batch. Rollouts between the
start and the end of a training step are for training; at any other time they are for evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass

from logflume.runs.info import RunInfo
from logflume.runtime.lifecycle import current_run

__all__ = ["STEP_TRACKER", "StepTracker"]


@dataclass
class StepTracker:
    """The state of this process's training.

    Attributes:
        is_tracking: Whether a callback keeps this state up to date.
        in_step: Whether a training step is in progress.
        last_trained: Number of the latest batch of rollouts for training; None before the first.
        outputs_every: Completions are logged for every n-th batch of rollouts.
    """

    is_tracking: bool = False
    in_step: bool = False
    last_trained: int | None = None
    outputs_every: int = 1
    _run: RunInfo | None = None
    _next: int = 0

    def next_generation(self, mode: str | None) -> int:
        """Return the number of a new batch of rollouts, from 0 within the attempt of the run."""
        if current_run() is not self._run:
            self._run, self._next = current_run(), 0
        number = self._next
        self._next += 1
        if mode != "eval":
            self.last_trained = number
        return number

    def locate(self, global_step: int | None) -> tuple[int | None, str | None]:
        """Return step and mode of rollouts that are scored at this `global_step`.

        As in TRL, rollouts for training have the step that they contribute to, `global_step + 1`,
        and those of an evaluation the step that has been completed.
        """
        if global_step is None:
            return None, None
        if not self.is_tracking:
            return global_step + 1, None
        return (global_step + 1, "train") if self.in_step else (global_step, "eval")


STEP_TRACKER = StepTracker()
"""The step tracker of this process."""
