"""`attach`: logs the metrics and rollouts of an existing trainer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from operator import attrgetter
from types import TracebackType
from typing import Any, Literal, Self

from logflume.guard import Failure, call_guarded, type_name
from logflume.logger.logger import get_logger
from logflume.runtime.exits import set_ending
from logflume.training.function_names import TOTAL
from logflume.training.policies import Policy, keep_all
from logflume.training.quiet import QuietReports
from logflume.training.rollout_hooks import RolloutHooks
from logflume.training.wrapped_rewards import get_wrapped_reward_functions

__all__ = ["Attachment", "attach"]

_MARK = "_logflume_attachment"
_REQUIRED = ("add_callback", "remove_callback", "callback_handler.callbacks")
"""What a trainer has."""


class Attachment:
    """The hooks that `attach` has installed on a trainer.

    Use it as a context manager, or call `detach()`.
    """

    def __init__(
        self, trainer: Any, keep: Policy, columns: Sequence[str], quality: bool, quiet: bool
    ) -> None:
        # Imported here because `import logflume.training` must not load transformers.
        from logflume.training.callbacks import EnhancedLoggingCallback

        self._trainer = trainer
        self._count = 0
        hooks = RolloutHooks(trainer, keep, columns, quality)
        self._hooks = hooks if RolloutHooks.supports(trainer) else None
        self._functions = getattr(trainer, "reward_funcs", None)
        callbacks = trainer.callback_handler.callbacks
        has_callback = any(isinstance(other, EnhancedLoggingCallback) for other in callbacks)
        self._callback = None if has_callback else EnhancedLoggingCallback()
        self._quiet = QuietReports(trainer) if quiet else None

    def detach(self) -> None:
        """Restore the trainer to its state before `attach`.

        After several calls of `attach`, the last of as many calls of `detach` restores it.
        """
        self._count -= 1
        if self._count != 0:
            return
        if self._quiet is not None:
            self._quiet.remove()
        if self._callback is not None:
            self._trainer.remove_callback(self._callback)
        if self._hooks is not None:
            self._hooks.remove()
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
        if self._quiet is not None:
            self._quiet.install()
        if self._callback is not None:
            self._trainer.add_callback(self._callback)
        if self._hooks is not None:
            self._hooks.install()
        elif self._functions is not None:
            self._trainer.reward_funcs = get_wrapped_reward_functions(self._functions)


def attach(
    trainer: Any,
    *,
    rollouts: Policy | Literal["all"] = "all",
    columns: Sequence[str] = (),
    quality: bool = True,
    quiet: bool = True,
) -> Attachment:
    """Log the metrics of a trainer, and its rollouts with rewards and advantages.

    Adds the callback and, if the trainer has rollouts, wraps the two methods that generate and
    score them. For a trainer without these methods, the reward functions are wrapped. The training
    itself is not changed, and `detach` removes everything. Attaching an attached trainer returns
    the existing attachment.

    Args:
        trainer: TRL's `GRPOTrainer` or `RLOOTrainer`, or any `transformers` Trainer.
        rollouts: Which completions are logged: all, or those that a policy of
            `logflume.training.policies` selects.
        columns: Columns of the dataset to log with each completion, in addition to `question` and
            `answer`.
        quality: Whether the processor `measure_generations`, if configured, measures the
            completions.
        quiet: Whether the trainer's own lines and table of metrics are left out while the console
            shows the same metrics. Its progress bar stays.

    Returns:
        The attachment, a context manager that detaches on exit.

    Raises:
        TypeError: An argument isn't what it has to be; the trainer is unchanged.
        MissingExtraError: `transformers` is not installed.

    Example:
        >>> with attach(trainer):
        ...     trainer.train()
    """
    _check(trainer, rollouts, columns)
    attachment: Attachment | None = getattr(trainer, _MARK, None)
    if attachment is None:
        keep = keep_all if rollouts == "all" else rollouts
        attachment = Attachment(trainer, keep, columns, quality, quiet)
        _warn_about_names(getattr(trainer, "reward_func_names", []))
    attachment._install()
    return attachment


def _check(trainer: Any, rollouts: Any, columns: Any) -> None:
    if isinstance(trainer, type):
        raise TypeError(
            f"attach() requires a trainer, but got the class {trainer.__name__}. "
            f"Pass an instance: attach({trainer.__name__}(...))."
        )
    missing = [
        name for name in _REQUIRED if isinstance(call_guarded(attrgetter(name), trainer), Failure)
    ]
    if missing:
        got = "None" if trainer is None else f"an object of the class {type_name(trainer)}"
        raise TypeError(
            "attach() requires a transformers Trainer, such as TRL's GRPOTrainer, but got "
            f"{got}, which has no {' or '.join(missing)}. Pass the object whose train() you call."
        )
    if rollouts != "all" and not callable(rollouts):
        raise TypeError(
            f"attach(rollouts={rollouts!r}): it has to be 'all' or a policy, which is a function. "
            "logflume.training.policies has some, such as every(10)."
        )
    if isinstance(columns, str) or not all(isinstance(name, str) for name in columns):
        raise TypeError(
            f"attach(columns={columns!r}): it has to be a list of the names of columns, "
            'such as ["difficulty"].'
        )


def _warn_about_names(names: Sequence[str]) -> None:
    duplicates = [name for name, count in Counter(names).items() if count > 1]
    if duplicates:
        get_logger("training").warning(
            f"Several reward functions are named {', '.join(duplicates)}: TRL merges their "
            "metrics. logflume logs the second one as name_2, and so on. Give each function a "
            "unique __name__."
        )
    if TOTAL in names:
        get_logger("training").warning(
            "A reward function is named 'total', which is the name of the weighted sum of all "
            "functions: logflume logs it as total_2."
        )
