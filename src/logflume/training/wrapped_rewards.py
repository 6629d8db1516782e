"""Wraps reward functions so that their results are logged.

The wrapped functions are passed to a trainer instead of the originals.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from logflume.guard import Failure, call_guarded, describe
from logflume.logger.logger import get_logger
from logflume.training.conversations import is_all_of_the_model
from logflume.training.function_names import distinct_names, name_of
from logflume.training.images import copy_messages
from logflume.training.log_extra import LogExtra, LogMetric, listen, listeners, logged_columns
from logflume.training.policies import every
from logflume.training.rollout_events import log_rollouts
from logflume.training.rollouts import Rollouts
from logflume.training.step_tracker import STEP_TRACKER
from logflume.values.snapshot import snapshot

__all__ = [
    "AsyncWrappedReward",
    "Collector",
    "RewardBatch",
    "WrappedReward",
    "get_wrapped_reward_functions",
    "wrap_reward",
]


class Collector(Protocol):
    """Receives the results of wrapped reward functions."""

    def add(self, name: str, values: Any, call: dict[str, Any], seconds: float, /) -> None:
        """Add the result of one function, with the arguments and duration of the call."""


class RewardBatch:
    """Collects the results of all reward functions of a batch, and logs it when complete.

    Args:
        names: Names of the functions that are called for each batch.
        weights: Weight of each function in the total; 1 if not given.
    """

    def __init__(self, names: Sequence[str], weights: Sequence[float] = ()) -> None:
        self._names = list(names)
        self._weights = dict(zip(names, weights, strict=False))
        self._values: dict[str, Any] = {}
        self._seconds: dict[str, float] = {}
        self._logged: list[LogExtra | LogMetric] = []

    def add(self, name: str, values: Any, call: dict[str, Any], seconds: float) -> None:
        """Add the result of one function, and log the batch if it was the last.

        Args:
            name: Name of the function.
            values: Its result: one number or None per completion, in a list, array or tensor.
            call: The keyword arguments of the call, as TRL passes them.
            seconds: Duration of the call.
        """
        if name in self._values:
            # A second call before the batch is complete: an error cut the previous batch short.
            self._clear()
        self._values[name] = list(values.tolist() if hasattr(values, "tolist") else values)
        self._seconds[name] = seconds
        self._logged += listeners(call)
        if len(self._values) == len(self._names):
            try:
                self._log(call)
            finally:
                self._clear()

    def _clear(self) -> None:
        self._values = {}
        self._seconds = {}
        self._logged = []

    def _log(self, call: dict[str, Any]) -> None:
        global_step = getattr(call.get("trainer_state"), "global_step", None)
        step, mode = STEP_TRACKER.locate(global_step)
        token_ids = call.get("completion_ids")
        completions = list(call.get("completions") or [])
        columns: dict[str, list[Any]] = {
            name: snapshot(call[name]) for name in ("question", "answer") if name in call
        }
        logged = logged_columns(self._logged, len(completions))
        rollouts = Rollouts(
            generation=STEP_TRACKER.next_generation(mode),
            global_step=global_step,
            step=step,
            mode=mode,
            prompts=[copy_messages(prompt) for prompt in call.get("prompts") or []],
            completions=[copy_messages(completion) for completion in completions],
            names=self._names,
            table=list(zip(*(self._values[name] for name in self._names), strict=True)),
            weights=self._weights,
            completion_tokens=_completion_tokens(completions, token_ids),
            columns=columns,
            extras=logged.columns,
            metrics=logged.metrics,
            problems=logged.problems,
            reward_s=self._seconds,
            keep=every(STEP_TRACKER.outputs_every),
        )
        log_rollouts(rollouts)


def _completion_tokens(
    completions: Sequence[Any], token_ids: Sequence[Any] | None
) -> list[int | None] | None:
    """Return the length of each completion; None if it includes tokens that aren't the model's."""
    if token_ids is None:
        return None
    return [
        len(ids) if is_all_of_the_model(completion) else None
        for completion, ids in zip(completions, token_ids, strict=False)
    ]


class WrappedReward:
    """A reward function whose results are logged and returned unchanged.

    It can be pickled if the function can. An exception that the function raises is logged, and
    propagates.

    Args:
        function: The reward function, as TRL calls it.
        name: Its name in the logs, and the name that TRL reports.
        batch: Collects the results of all functions of one batch of rollouts.

    Attributes:
        function: The original reward function.
    """

    def __init__(self, function: Callable[..., Any], name: str, batch: Collector) -> None:
        self.__name__ = name
        self.function = function
        self._batch = batch

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, log its result and return it."""
        kwargs = listen(kwargs)
        started_s = time.perf_counter()
        try:
            result = self.function(*args, **kwargs)
        except Exception as error:
            _log_error(self.__name__, error)
            raise
        return self._collect(result, kwargs, started_s)

    def _collect(self, result: Any, kwargs: dict[str, Any], started_s: float) -> Any:
        # A generator can be consumed only once, so the trainer gets a list of its values.
        values = list(result) if inspect.isgenerator(result) else result
        added = call_guarded(
            self._batch.add, self.__name__, values, kwargs, time.perf_counter() - started_s
        )
        if isinstance(added, Failure):
            get_logger("reward").warning(
                f"The rewards of {self.__name__} could not be logged: {describe(added.error)}"
            )
        return values


class AsyncWrappedReward(WrappedReward):
    """A wrapped `async` reward function; TRL runs these concurrently.

    Up to version 1.9, TRL detects async functions with `inspect.iscoroutinefunction`, which accepts
    an object only if it has the attributes of a function. That is why they are defined here.
    """

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Await the function, log its result and return it."""
        kwargs = listen(kwargs)
        started_s = time.perf_counter()
        try:
            result = await self.function(*args, **kwargs)
        except Exception as error:
            _log_error(self.__name__, error)
            raise
        return self._collect(result, kwargs, started_s)

    __code__ = __call__.__code__
    __defaults__ = None
    __kwdefaults__ = None


def wrap_reward(function: Any, name: str | None = None, *, batch: Collector | None = None) -> Any:
    """Return a reward function that logs its results.

    Args:
        function: A function, `functools.partial` or callable object, async or not. A reward
            model (a string or a module) is returned unchanged, because the trainer calls it
            differently.
        name: Its name in the logs; None uses the name that TRL reports.
        batch: Collects the results of several functions into one event; None creates a batch for
            this function alone.
    """
    if not _is_function(function):
        return function
    name = name or name_of(function)
    batch = batch or RewardBatch([name])
    kind = AsyncWrappedReward if _is_async(function) else WrappedReward
    return kind(function, name, batch)


def get_wrapped_reward_functions(
    functions: Sequence[Any], weights: Sequence[float] = ()
) -> list[Any]:
    """Return the reward functions wrapped, in order, for `GRPOTrainer(reward_funcs=…)`.

    Each batch of rollouts is logged as one `reward` event with the values of all functions, and
    one `model_output` event per completion with its rewards. The given list is not modified.
    If several functions have the same name, which TRL would merge into one metric, the second one
    is logged as `name_2`, and so on.

    Args:
        functions: The reward functions, as TRL takes them.
        weights: Weight of each function in the total; 1 if not given.
    """
    names = distinct_names([name_of(function) for function in functions if _is_function(function)])
    of_functions = [
        weight for f, weight in zip(functions, weights, strict=False) if _is_function(f)
    ]
    batch = RewardBatch(names, of_functions)
    remaining = iter(names)
    return [
        wrap_reward(function, next(remaining), batch=batch) if _is_function(function) else function
        for function in functions
    ]


def _is_function(value: Any) -> bool:
    """Whether the trainer calls this as a reward function, and not as a model."""
    return callable(value) and not hasattr(value, "named_parameters")


def _is_async(function: Any) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    call = getattr(function, "__call__", None)  # noqa: B004 - needs the method itself
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def _log_error(name: str, error: Exception) -> None:
    get_logger("reward").error("reward_error", function=name, exc_info=error)
