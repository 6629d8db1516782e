"""Everything that a trainer knows, captured from the trainer as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Literal, Self

from logflume.logger.logger import get_logger
from logflume.runtime.exits import set_ending
from logflume.training.function_names import TOTAL
from logflume.training.policies import Policy, keep_all
from logflume.training.rollout_hooks import RolloutHooks
from logflume.training.wrapped_rewards import get_wrapped_reward_functions

__all__ = ["Attachment", "attach"]

_MARK = "_logflume_attachment"


class Attachment:
    """What `attach` has put on a trainer. Use it in a `with` block, or call `detach()`."""

    def __init__(self, trainer: Any, keep: Policy, columns: Sequence[str], quality: bool) -> None:
        # Imported here: `import logflume.training` must not load transformers.
        from logflume.training.callbacks import EnhancedLoggingCallback

        self._trainer = trainer
        self._count = 0
        tap = RolloutHooks(trainer, keep, columns, quality)
        self._tap = tap if RolloutHooks.fits(trainer) else None
        self._functions = getattr(trainer, "reward_funcs", None)
        present = trainer.callback_handler.callbacks
        has_callback = any(isinstance(other, EnhancedLoggingCallback) for other in present)
        self._callback = None if has_callback else EnhancedLoggingCallback()

    def detach(self) -> None:
        """Leave the trainer as it was before `attach`. After several, so many are needed."""
        self._count -= 1
        if self._count != 0:
            return
        if self._callback is not None:
            self._trainer.remove_callback(self._callback)
        if self._tap is not None:
            self._tap.remove()
        elif self._functions is not None:
            self._trainer.reward_funcs = self._functions
        delattr(self._trainer, _MARK)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):
            set_ending("failed", error)
        self.detach()

    def _install(self) -> None:
        self._count += 1
        if self._count > 1:
            return
        setattr(self._trainer, _MARK, self)
        if self._callback is not None:
            self._trainer.add_callback(self._callback)
        if self._tap is not None:
            self._tap.install()
        elif self._functions is not None:
            self._trainer.reward_funcs = get_wrapped_reward_functions(self._functions)


def attach(
    trainer: Any,
    *,
    rollouts: Policy | Literal["all"] = "all",
    columns: Sequence[str] = (),
    quality: bool = True,
) -> Attachment:
    """Log everything that a trainer knows: metrics, rollouts with rewards and advantages.

    It adds the callback and, where the trainer has rollouts, listens to the two methods that make
    and score them; a trainer without these has its reward functions wrapped. Nothing about the
    training changes, and `detach` undoes it all. A trainer that is attached already stays so.

    Args:
        trainer: TRL's `GRPOTrainer` or `RLOOTrainer`, or any `transformers` Trainer.
        rollouts: Which completions are logged: all, or what a policy of
            `logflume.training.policies` keeps.
        columns: Columns of the dataset to log with each completion, beside `question` and
            `answer`.
        quality: Whether the processor `measure_generations`, if it is configured, measures them.

    Example:
        >>> with attach(trainer):
        ...     trainer.train()
    """
    attachment: Attachment | None = getattr(trainer, _MARK, None)
    if attachment is None:
        keep = keep_all if rollouts == "all" else rollouts
        attachment = Attachment(trainer, keep, columns, quality)
        _warn_about_names(getattr(trainer, "reward_func_names", []))
    attachment._install()
    return attachment


def _warn_about_names(names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        get_logger("training").warning(
            f"Several reward functions are named {', '.join(twice)}: TRL merges their metrics. "
            "Here the second is called name_2, and so on. Give each a __name__ of its own."
        )
    if TOTAL in names:
        get_logger("training").warning(
            "A reward function is named 'total', as the weighted sum of all is: here it is called "
            "total_2."
        )
