"""Reward functions that log what they gave, to be passed to a trainer in place of the originals."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from logflume.guard import Failure, call_guarded, describe
from logflume.logger.logger import get_logger
from logflume.training.function_names import distinct, name_of
from logflume.training.policies import every
from logflume.training.rollouts import Rollouts, log_rollouts
from logflume.training.step_tracker import PHASE
from logflume.training.texts import questions_of, text_of
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


class WrappedReward:
    """A reward function that hands its results on unchanged, and logs them.

    It can be pickled where the function can. An exception of the function is logged and
    passes through.

    Args:
        function: The reward function, as TRL calls it.
        name: Its name in the logs, as TRL names it too.
        batch: Gathers the results of all functions of one batch of rollouts.

    Attributes:
        function: The reward function itself.
    """

    def __init__(self, function: Callable[..., Any], name: str, batch: Collector) -> None:
        self.__name__ = name
        self.function = function
        self._batch = batch

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function and log what it gave."""
        started_s = time.perf_counter()
        try:
            result = self.function(*args, **kwargs)
        except Exception as error:
            _log_error(self.__name__, error)
            raise
        return self._note(result, kwargs, started_s)

    def _note(self, result: Any, kwargs: dict[str, Any], started_s: float) -> Any:
        # A generator can be read once only; the trainer gets the list of what it gave.
        values = list(result) if inspect.isgenerator(result) else result
        noted = call_guarded(
            self._batch.add, self.__name__, values, kwargs, time.perf_counter() - started_s
        )
        if isinstance(noted, Failure):
            get_logger("reward").warning(
                f"The rewards of {self.__name__} could not be logged: {describe(noted.error)}"
            )
        return values


class AsyncWrappedReward(WrappedReward):
    """The same for an `async` function: TRL runs those together.

    Up to TRL 1.9 it looks for them with `inspect.iscoroutinefunction`, which believes an object
    only if it has the attributes of a function; so it gets those.
    """

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Await the function and log what it gave."""
        started_s = time.perf_counter()
        try:
            result = await self.function(*args, **kwargs)
        except Exception as error:
            _log_error(self.__name__, error)
            raise
        return self._note(result, kwargs, started_s)

    __code__ = __call__.__code__
    __defaults__ = None
    __kwdefaults__ = None


def wrap_reward(function: Any, name: str | None = None, *, batch: Collector | None = None) -> Any:
    """Return a reward function that logs what it gives.

    Args:
        function: A function, `functools.partial` or callable object, async or not. A reward
            model (a string or a module) is returned as it is: the trainer calls it in its own way.
        name: Its name in the logs; None takes the one that TRL would.
        batch: What gathers the results of several functions into one event; None: its own.
    """
    if not _is_function(function):
        return function
    name = name or name_of(function)
    batch = batch or RewardBatch([name])
    kind = AsyncWrappedReward if _is_async(function) else WrappedReward
    return kind(function, name, batch)


def get_wrapped_reward_functions(functions: Sequence[Any]) -> list[Any]:
    """Return the reward functions wrapped, in order, for `GRPOTrainer(reward_funcs=…)`.

    For each batch of rollouts there is one `reward` event with the values of all functions, and
    a `model_output` event for each completion with its rewards. The list given is not changed.
    Of several functions with one name, which TRL would merge into one metric, the second is
    called `name_2`, and so on.
    """
    names = distinct([name_of(function) for function in functions if _is_function(function)])
    batch = RewardBatch(names)
    unused = iter(names)
    return [
        wrap_reward(function, next(unused), batch=batch) if _is_function(function) else function
        for function in functions
    ]


def _is_function(value: Any) -> bool:
    """Whether the trainer calls it as a reward function, and not as a model."""
    return callable(value) and not hasattr(value, "named_parameters")


def _is_async(function: Any) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    call = getattr(function, "__call__", None)  # noqa: B004 - the method itself is wanted
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def _log_error(name: str, error: Exception) -> None:
    get_logger("reward").error("reward_error", function=name, exc_info=error)
