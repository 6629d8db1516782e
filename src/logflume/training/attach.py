"""`attach`: logs the metrics and rollouts of an existing trainer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from operator import attrgetter
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from logflume.guard import Failure, call_guarded, type_name
from logflume.logger.logger import get_logger
from logflume.runtime.exits import set_ending
from logflume.training.async_rollouts import AsyncRolloutHooks
from logflume.training.function_names import TOTAL
from logflume.training.policies import ByRatio, Policy, TokenPolicy, keep_all
from logflume.training.quiet import QuietReports
from logflume.training.rollout_hooks import RolloutHooks
from logflume.training.trainer_batch import CaptureOptions
from logflume.training.wrapped_rewards import get_wrapped_reward_functions

__all__ = ["Attachment", "attach"]

_MARK = "_logflume_attachment"
_REQUIRED = ("add_callback", "remove_callback", "callback_handler.callbacks")
"""Attributes that every trainer has."""


class _Hooks(Protocol):
    """What captures the rollouts of a trainer."""

    def install(self) -> None:
        """Start capturing."""

    def remove(self) -> None:
        """Leave the trainer as it was."""


class _RewardHooks:
    """Captures the calls of the reward functions, for trainers with other methods than TRL's."""

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer
        self._functions = trainer.reward_funcs

    def install(self) -> None:
        """Wrap the functions; reward models are left alone."""
        weights = call_guarded(lambda: [float(w) for w in self._trainer.reward_weights])
        self._trainer.reward_funcs = get_wrapped_reward_functions(
            self._functions, () if isinstance(weights, Failure) else weights
        )
        get_logger("training").warning(
            f"{type(self._trainer).__name__} lacks the methods of TRL's GRPOTrainer, so its "
            "rollouts are captured at its reward functions, without advantages, groups, lengths of "
            "prompts, and rewards of reward models."
        )

    def remove(self) -> None:
        """Restore the functions."""
        self._trainer.reward_funcs = self._functions


def _choose_hooks(trainer: Any, options: CaptureOptions) -> _Hooks | None:
    """Return what captures the rollouts of a trainer; None if it has none."""
    if RolloutHooks.supports(trainer):
        return RolloutHooks(trainer, options)
    if AsyncRolloutHooks.supports(trainer):
        return AsyncRolloutHooks(trainer, options)
    return _RewardHooks(trainer) if getattr(trainer, "reward_funcs", None) else None


class Attachment:
    """The hooks that `attach` has installed on a trainer.

    Use it as a context manager, or call `detach()`.
    """

    def __init__(self, trainer: Any, options: CaptureOptions, quiet: bool) -> None:
        # Imported here because `import logflume.training` must not load transformers.
        from logflume.training.callbacks import EnhancedLoggingCallback

        self._trainer = trainer
        self._count = 0
        self._hooks = _choose_hooks(trainer, options)
        callbacks = trainer.callback_handler.callbacks
        has_callback = any(isinstance(other, EnhancedLoggingCallback) for other in callbacks)
        self._callback = None if has_callback else EnhancedLoggingCallback()
        self._quiet = QuietReports(trainer) if quiet else None

    def detach(self) -> None:
        """Restore the trainer to its state before `attach`.

        If `attach` was called several times, it takes as many calls of `detach`.
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


def attach(
    trainer: Any,
    *,
    rollouts: Policy | Literal["all"] = "all",
    columns: Sequence[str] = (),
    quality: bool = True,
    prompt_id: str | None = None,
    tokens: TokenPolicy | None = None,
    quiet: bool = True,
) -> Attachment:
    """Log the metrics of a trainer, and its rollouts with rewards and advantages.

    Adds a callback and, if the trainer has rollouts, wraps the two methods that generate and score
    them. For an `AsyncGRPOTrainer` it wraps the queue that delivers rollouts; for a trainer with
    other methods, it wraps the reward functions. One line then lists what is missing. The training
    itself is not affected, and `detach` removes everything. A second `attach` of the same trainer
    returns the existing attachment.

    Args:
        trainer: TRL's `GRPOTrainer`, `RLOOTrainer` or `AsyncGRPOTrainer`, or any `transformers`
            Trainer.
        rollouts: Which completions are logged: all, or those that a policy of
            `logflume.training.policies` selects.
        columns: Columns of the dataset to log with each completion, in addition to `question` and
            `answer`.
        quality: Whether the processor `measure_generations`, if configured, measures the
            completions.
        prompt_id: Column of the dataset that identifies the prompt of a completion; None: a hash of
            the prompt.
        tokens: A policy of `logflume.training.policies` that selects, among the logged completions,
            those whose tokens are recorded, with what the trainer knows about each token.
            `open_run().tokens(id)` reads them. None: no tokens are copied.
        quiet: Whether to silence the trainer's own lines and table of metrics while logflume's
            console shows the same metrics. The progress bar stays.

    Returns:
        The attachment, a context manager that detaches on exit.

    Raises:
        TypeError: An argument is invalid; the trainer is unchanged.
        MissingExtraError: `transformers` is not installed.

    Example:
        >>> with attach(trainer, tokens=best_and_worst(2)):
        ...     trainer.train()
    """
    _check(trainer, rollouts, columns, prompt_id, tokens)
    attachment: Attachment | None = getattr(trainer, _MARK, None)
    if attachment is None:
        keep = keep_all if rollouts == "all" else rollouts
        options = CaptureOptions(keep, tuple(columns), quality, prompt_id, tokens)
        attachment = Attachment(trainer, options, quiet)
        _warn_about_tokens(trainer, tokens)
        _warn_about_names(getattr(trainer, "reward_func_names", None) or [])
    attachment._install()
    return attachment


def _check(trainer: Any, rollouts: Any, columns: Any, prompt_id: Any, tokens: Any) -> None:
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
            f"attach(rollouts={rollouts!r}): must be 'all' or a policy, which is a function. "
            "logflume.training.policies has some, such as every(10)."
        )
    if isinstance(columns, str) or not all(isinstance(name, str) for name in columns):
        raise TypeError(
            f'attach(columns={columns!r}): must be a list of column names, such as ["difficulty"].'
        )
    if prompt_id is not None and not isinstance(prompt_id, str):
        raise TypeError(f"attach(prompt_id={prompt_id!r}): must be the name of a column.")
    if tokens is not None and not isinstance(tokens, ByRatio) and not callable(tokens):
        raise TypeError(
            f"attach(tokens={tokens!r}): must be a policy, which is a function. "
            "logflume.training.policies has some, such as best_and_worst(2) and ratio_above(2.0)."
        )


def _warn_about_tokens(trainer: Any, tokens: TokenPolicy | None) -> None:
    kinds = (RolloutHooks, AsyncRolloutHooks)
    if tokens is not None and not any(kind.supports(trainer) for kind in kinds):
        get_logger("training").warning(
            f"{type(trainer).__name__} lacks the methods of TRL's GRPOTrainer, so "
            "attach(tokens=...) records no tokens."
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
