"""Where the training is: known to the callbacks, needed by the reward functions.

TRL tells a reward function neither the mode nor the batch of rollouts. Between the start and
the end of a step its rollouts are for training, at any other time for evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass

from logflume.runs.info import RunInfo
from logflume.runtime.lifecycle import current_run

__all__ = ["PHASE", "StepTracker"]


@dataclass
class StepTracker:
    """The state of this process's training.

    Attributes:
        is_followed: Whether a callback keeps this up to date.
        in_step: Whether a training step is under way.
        trained_on: Number of the newest batch of rollouts for training; None before the first.
        outputs_every: Completions are logged for every so many batches of rollouts.
    """

    is_followed: bool = False
    in_step: bool = False
    trained_on: int | None = None
    outputs_every: int = 1
    _run: RunInfo | None = None
    _next: int = 0

    def number_rollouts(self, mode: str | None) -> int:
        """Return the number of a new batch of rollouts, from 0 within the attempt of the run."""
        if current_run() is not self._run:
            self._run, self._next = current_run(), 0
        number = self._next
        self._next += 1
        if mode != "eval":
            self.trained_on = number
        return number

    def locate(self, global_step: int | None) -> tuple[int | None, str | None]:
        """Return step and mode of rollouts scored at this `global_step`, in TRL's convention.

        TRL logs the rollouts of training as the step that they lead to, `global_step + 1`, and
        those of an evaluation as the step that has been reached.
        """
        if global_step is None:
            return None, None
        if not self.is_followed:
            return global_step + 1, None
        return (global_step + 1, "train") if self.in_step else (global_step, "eval")


PHASE = StepTracker()
"""The one of this process."""
