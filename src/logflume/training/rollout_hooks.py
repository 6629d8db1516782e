"""Hooks on a trainer that capture its rollouts without changing them."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from logflume.guard import Failure, call_guarded, describe
from logflume.training.function_names import distinct_names, name_of
from logflume.training.images import copy_messages
from logflume.training.log_extra import LogExtra, LogMetric, listeners, logged_columns
from logflume.training.rank_report import RANK_REPORT
from logflume.training.rollout_events import log_rollouts
from logflume.training.token_capture import TokenCapture
from logflume.training.trainer_batch import CaptureOptions, ProblemReport, ScoredBatch, read_batch
from logflume.training.wrapped_rewards import WrappedReward, wrap_reward

__all__ = ["RolloutHooks"]

_SCORE = "_calculate_rewards"
_GENERATE = "_generate_and_score_completions"
_PENDING_EXTRAS = "_pending_extra_logs"


class Stopwatch:
    """Measures the time of reward functions, and stops wrapped ones from logging themselves.

    Attributes:
        seconds: Duration of each function's last call.
        call: Arguments of the last call; None if no function was called.
        logged: What the functions logged with `log_extra` and `log_metric`.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.call: dict[str, Any] | None = None
        self.logged: list[LogExtra | LogMetric] = []
        self._functions: list[Any] = []
        self._names: list[str] = []
        self._timed: list[Any] = []

    def timed(self, functions: Sequence[Any], names: list[str]) -> list[Any]:
        """Return the functions, wrapped to be timed; wrappers of the same functions are reused."""
        self.seconds, self.call, self.logged = {}, None, []
        if self._functions != functions or self._names != names:
            self._functions, self._names = list(functions), names
            originals = [f.function if isinstance(f, WrappedReward) else f for f in functions]
            timed = [
                wrap_reward(f, name, batch=self) for f, name in zip(originals, names, strict=False)
            ]
            # Functions without a name are kept, but not timed.
            self._timed = [*timed, *functions[len(timed) :]]
        return list(self._timed)

    def add(self, name: str, _values: Any, call: dict[str, Any], seconds: float) -> None:
        """Record the duration of a function, and what it was called with."""
        self.seconds[name] = seconds
        self.call = call
        self.logged += listeners(call)


class RolloutHooks:
    """Wraps two methods of a trainer's instance: the one that scores and the one that calls it.

    Together they provide everything about a batch of rollouts: texts, the rewards of every function
    (reward models included) and advantages. Both return the results of the trainer's own methods
    unchanged. Errors of logflume are logged and never reach the trainer.

    Args:
        trainer: A `GRPOTrainer`, `RLOOTrainer` or a subclass of one.
        options: What is captured.
    """

    def __init__(self, trainer: Any, options: CaptureOptions) -> None:
        self._trainer = trainer
        self._options = options
        self._tokens = None if options.tokens is None else TokenCapture(trainer, options.tokens)
        self._stopwatch = Stopwatch()
        self._scored: list[ScoredBatch] = []
        self._originals: dict[str, Any] = {}
        self._report = ProblemReport(trainer)
        self._dataset_columns: set[str] | None = None
        self._returned_columns: set[str] = set()

    @staticmethod
    def supports(trainer: Any) -> bool:
        """Whether the trainer has the two methods (those of TRL have them since 0.19)."""
        return callable(getattr(trainer, _SCORE, None)) and callable(
            getattr(trainer, _GENERATE, None)
        )

    def install(self) -> None:
        """Wrap the methods."""
        for name, wrapper in ((_SCORE, self._wrap_score), (_GENERATE, self._wrap_generate)):
            self._originals[name] = vars(self._trainer).get(name)
            setattr(self._trainer, name, wrapper(getattr(self._trainer, name)))

    def remove(self) -> None:
        """Restore the trainer's own methods."""
        for name, original in self._originals.items():
            if original is None:
                delattr(self._trainer, name)
            else:
                setattr(self._trainer, name, original)
        self._originals.clear()

    def _wrap_score(self, original: Callable[..., Any]) -> Callable[..., Any]:
        parameters = list(inspect.signature(original).parameters)

        def score(*args: Any, **kwargs: Any) -> Any:
            functions: Any = getattr(self._trainer, "reward_funcs", None)
            is_timed = isinstance(functions, list)
            found = call_guarded(self._names_of, functions)
            names = [] if isinstance(found, Failure) else found
            timed = self._stopwatch.timed(functions if is_timed else [], names)
            if is_timed:
                self._trainer.reward_funcs = timed
            arguments = {**dict(zip(parameters, args, strict=False)), **kwargs}
            # Before the reward functions can change them.
            completions = call_guarded(_copies, arguments.get("completions"))
            prompts = call_guarded(_copies, arguments.get("prompts"))
            started_s = time.perf_counter()
            try:
                rewards = original(*args, **kwargs)
            finally:
                if is_timed:
                    self._trainer.reward_funcs = functions
            score_s = time.perf_counter() - started_s
            noted = call_guarded(
                self._note, arguments, completions, prompts, names, rewards, score_s
            )
            if isinstance(noted, Failure):
                self._report(f"rewards could not be logged: {describe(noted.error)}")
            return rewards

        return score

    def _names_of(self, functions: Any) -> list[str]:
        names = getattr(self._trainer, "reward_func_names", None)
        return distinct_names(list(map(name_of, functions)) if names is None else names)

    def _note(
        self,
        arguments: dict[str, Any],
        completions: Any,
        prompts: Any,
        names: list[str],
        rewards: Any,
        score_s: float,
    ) -> None:
        call = self._complete(arguments)
        scored = call.get("completions")
        if not isinstance(scored, (list, tuple)):
            self._report(
                f"{_SCORE} doesn't get `completions` where logflume looks for them, so only the "
                "metrics of this trainer are logged"
            )
            return
        completions = completions if isinstance(completions, list) else _copies(scored)
        prompts = prompts if isinstance(prompts, list) else _copies(call.get("prompts"))
        if any(map(_differ, completions, scored)):
            self._report(
                "a reward function changes the completions that it gets. They are logged as they "
                "were before, and the trainer and other functions get the changed ones"
            )
        logged = logged_columns(self._stopwatch.logged, len(completions))
        pending = getattr(self._trainer, _PENDING_EXTRAS, None)
        if isinstance(pending, Mapping):  # logged without the argument `log_extra`
            for name, values in pending.items():
                if name not in logged.columns and len(values) == len(completions):
                    logged.columns[name] = [*map(copy_messages, values)]
        returned = call_guarded(self._columns_of_rollout_func, call.get("inputs"))
        if not isinstance(returned, Failure):
            for name, values in returned.items():
                logged.columns.setdefault(name, values)
        self._scored.append(
            ScoredBatch(
                call=call,
                rewards=rewards,
                names=names,
                completions=completions,
                prompts=prompts,
                logged=logged,
                reward_s=self._stopwatch.seconds,
                score_s=score_s,
            )
        )

    def _columns_of_rollout_func(self, inputs: Any) -> dict[str, list[Any]]:
        """Return the fields that a `rollout_func` has returned for each completion.

        TRL adds them to the rows of the dataset, in place.
        """
        if not inputs or self._dataset_columns is None:
            return {}
        # A row that the dataset returns again still has them.
        self._returned_columns |= set(inputs[0]) - self._dataset_columns
        selected = self._returned_columns - set(self._options.columns)
        return {name: [copy_messages(row.get(name)) for row in inputs] for name in sorted(selected)}

    def _complete(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments under their names in current versions of TRL.

        What another version names differently is also passed to the reward functions.
        """
        passed = self._stopwatch.call or {}
        known = {
            "prompts": passed.get("prompts"),
            "completions": passed.get("completions"),
            "completion_ids_list": passed.get("completion_ids"),
        }
        return {**{name: value for name, value in known.items() if value is not None}, **arguments}

    def _wrap_generate(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def generate(*args: Any, **kwargs: Any) -> Any:
            self._scored = []
            columns = call_guarded(lambda: set((args or [*kwargs.values()])[0][0]))
            self._dataset_columns = None if isinstance(columns, Failure) else columns
            # Read before: some trainers switch to evaluation while they generate.
            mode, global_step = call_guarded(self._mode), call_guarded(self._global_step)
            started_s = time.perf_counter()
            output = original(*args, **kwargs)
            elapsed_s = time.perf_counter() - started_s
            scored, self._scored = self._scored, []
            result = call_guarded(self._log, scored, output, mode, global_step, elapsed_s)
            if isinstance(result, Failure):
                self._report(f"a batch of rollouts could not be logged: {describe(result.error)}")
            return output

        return generate

    def _mode(self) -> str:
        return "train" if self._trainer.model.training else "eval"

    def _global_step(self) -> int | None:
        return int(self._trainer.state.global_step)

    def _log(
        self, batches: Sequence[ScoredBatch], output: Any, mode: Any, step: Any, elapsed_s: float
    ) -> None:
        if not batches:
            self._report(f"{_GENERATE} doesn't call {_SCORE}, so rollouts are not logged")
        score_s = sum(batch.score_s for batch in batches)
        generate_s = elapsed_s - score_s
        if mode == "train":
            rewards_s = sum(sum(batch.reward_s.values()) for batch in batches)
            RANK_REPORT.add_rollouts(generate_s, rewards_s, score_s - rewards_s)
        used = call_guarded(lambda: len(output["completion_ids"]))
        scored = sum(len(batch.completions) for batch in batches)
        is_partial = len(batches) > 1 or (type(used) is int and used != scored)
        for batch in batches:
            rollouts = read_batch(
                self._trainer,
                batch,
                output,
                mode="train" if isinstance(mode, Failure) else mode,
                global_step=None if isinstance(step, Failure) else step,
                generate_s=generate_s / len(batches),
                is_partial=is_partial,
                options=self._options,
                token_capture=self._tokens,
                report=self._report,
            )
            log_rollouts(rollouts)
            for problem in rollouts.problems:
                self._report(problem)
        for missing in () if self._tokens is None else self._tokens.missing(output):
            self._report(missing)


def _copies(values: Any) -> list[Any] | None:
    """Return copies of prompts or completions; None if they are not a list."""
    return [*map(copy_messages, values)] if isinstance(values, (list, tuple)) else None


def _differ(copy: Any, value: Any) -> bool:
    """Whether a completion is no longer what was copied: by its texts or its number of messages."""
    if type(copy) is not list or type(value) is not list:
        return type(copy) is str and type(value) is str and copy != value
    return len(copy) != len(value) or any(map(_differs_in_text, copy, value))


def _differs_in_text(copy: Any, message: Any) -> bool:
    if type(copy) is not dict or type(message) is not dict:
        return False
    before, now = copy.get("content"), message.get("content")
    return type(before) is str and before is not now and before != now
