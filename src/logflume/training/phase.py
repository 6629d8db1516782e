"""Where the training is: known to the callbacks, needed by the reward functions.

TRL tells a reward function neither the mode nor the batch of rollouts. Between the start and
the end of a step its rollouts are for training, at any other time for evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PHASE", "Phase"]


@dataclass
class Phase:
    """The state of this process's training.

    Attributes:
        is_followed: Whether a callback keeps this up to date.
        in_step: Whether a training step is under way.
        generation: Number of the next batch of rollouts.
        outputs_every: Completions are logged for every so many batches of rollouts.
    """

    is_followed: bool = False
    in_step: bool = False
    generation: int = 0
    outputs_every: int = 1

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


PHASE = Phase()
"""The one of this process."""
