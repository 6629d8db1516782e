"""Callbacks that log what a `transformers` Trainer reports.

They require `transformers`, which is installed with the extra `trl`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from logflume.events.trainer_names import argument_fields, split_report
from logflume.exceptions import MissingExtraError
from logflume.guard import Failure, call_guarded, describe
from logflume.logger.channels import CHANNELS
from logflume.logger.logger import get_logger
from logflume.runtime.exits import forget_ending
from logflume.runtime.lifecycle import current_config, set_step
from logflume.training.rank_report import RANK_REPORT
from logflume.training.step_tracker import STEP_TRACKER
from logflume.training.validation import Validation
from logflume.values.mean_window import MeanWindow
from logflume.values.snapshot import snapshot

try:
    from transformers import TrainerCallback
except ImportError as error:
    raise MissingExtraError("transformers", "trl") from error

__all__ = ["EnhancedLoggingCallback", "OptimizedLoggingCallback", "StepEndCallback"]


class EnhancedLoggingCallback(TrainerCallback):
    """Logs every report of the trainer: `training`, `evaluation`, `checkpoint`, `summary`.

    It also sets the step that tags all other events of the process. Only the main process logs
    metrics.

    Args:
        validation_prompts: Prompts that the model completes every `validation_frequency` steps, in
            one of the forms of `logflume.training.validation.Validation`. Requires a model that is
            not sharded, because only the main process generates.
        validation_frequency: In steps; None uses `metrics.validation_frequency` of the
            configuration.
        validation_tokens: Maximum length of these completions, in tokens.

    Example:
        >>> trainer = GRPOTrainer(..., callbacks=[EnhancedLoggingCallback()])
    """

    outputs_every = 1

    def __init__(
        self,
        validation_prompts: Sequence[Any] = (),
        validation_frequency: int | None = None,
        validation_tokens: int = 256,
    ) -> None:
        self._validation = Validation(validation_prompts, validation_tokens)
        self._has_prompts = len(validation_prompts) > 0
        self._frequency = validation_frequency or current_config().metrics.validation_frequency

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Log the trainer's arguments, and start tracking its steps."""
        forget_ending()  # an earlier training of this run may have failed and been retried
        STEP_TRACKER.is_tracking = True
        STEP_TRACKER.in_step = False
        STEP_TRACKER.last_trained = None
        STEP_TRACKER.outputs_every = self.outputs_every
        total_steps = getattr(state, "max_steps", None)
        set_step(state.global_step, total=total_steps)
        if state.is_world_process_zero:
            fields = call_guarded(argument_fields, args)
            if isinstance(fields, Failure):
                fields = {"problem": describe(fields.error)}
            get_logger("training").info("run_started", total_steps=total_steps, **fields)

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tag the events within a step with the step that it completes."""
        STEP_TRACKER.in_step = True
        RANK_REPORT.begin_step()
        set_step(state.global_step + 1, "train")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Reset the mode, because an evaluation may follow, and run the validation if it is due."""
        STEP_TRACKER.in_step = False
        RANK_REPORT.end_step(state.global_step)
        set_step(state.global_step)
        is_due = self._has_prompts and state.global_step % self._frequency == 0
        if is_due and state.is_world_process_zero:
            self._validate(state.global_step, kwargs)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Log the trainer's report, as the event type that the names of its metrics imply."""
        if not logs or not state.is_world_process_zero:
            return
        CHANNELS.warn_if_held()
        # Names may be numbers, and values may change before a window of steps ends.
        whole = _find_whole(logs, state)
        report = snapshot(whole or logs)
        if not isinstance(report, dict):
            report = {"report": report}
        for event, metrics in split_report(report, is_whole=whole is not None).items():
            if event == "training":
                self.log_training(state.global_step, metrics)
            else:
                fields = {**metrics, **_trainer_fields(state.global_step)}
                mode = {"mode": "eval"} if event == "evaluation" else {}
                get_logger("training").info(event, **{**fields, **mode})

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Log the path of the checkpoint."""
        if state.is_world_process_zero:
            path = f"{args.output_dir}/checkpoint-{state.global_step}"
            get_logger("training").info(
                "checkpoint", path=path, **_trainer_fields(state.global_step)
            )

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stop tracking the trainer's steps."""
        STEP_TRACKER.is_tracking = False
        STEP_TRACKER.in_step = False
        STEP_TRACKER.outputs_every = 1

    def _validate(self, step: int, given: dict[str, Any]) -> None:
        tokenizer = given.get("processing_class")
        result = call_guarded(self._validation.run, given["model"], tokenizer, step)
        if isinstance(result, Failure):
            get_logger("training").warning(f"The validation failed: {describe(result.error)}")

    def log_training(self, step: int, metrics: dict[str, Any]) -> None:
        """Log the metrics of a step."""
        get_logger("training").info(
            "training", **{**metrics, **_trainer_fields(step), "mode": "train"}
        )


class OptimizedLoggingCallback(EnhancedLoggingCallback):
    """Logs less: means over several steps, and the completions of every n-th batch of rollouts.

    Counters, the epoch and the learning rate are those of the last step, as in the trainer's own
    reports of several steps.

    Args:
        logging_frequency: Means are over this number of steps, and one in this number of batches
            has its completions logged. None uses `metrics.logging_frequency` of the configuration,
            or 10 if that is 1.
        validation: The arguments of `EnhancedLoggingCallback`.
    """

    def __init__(self, logging_frequency: int | None = None, **validation: Any) -> None:
        super().__init__(**validation)
        configured = current_config().metrics.logging_frequency
        frequency = logging_frequency or (configured if configured > 1 else 10)
        self.outputs_every = frequency
        self._window = MeanWindow(frequency, "training")
        self._step = 0

    def log_training(self, step: int, metrics: dict[str, Any]) -> None:
        """Add the metrics to the window, and log the means if the window is complete."""
        self._step = step
        if means := self._window.add(step, metrics):
            super().log_training(step, means)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Log the means of an incomplete window."""
        if means := self._window.take():
            super().log_training(self._step, means)
        super().on_train_end(args, state, control, **kwargs)


class StepEndCallback(TrainerCallback):
    """Calls a function after each step.

    Args:
        call: The function, which must not raise.
    """

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Call the function."""
        self._call()


def _find_whole(logs: dict[str, Any], state: Any) -> dict[str, Any] | None:
    """Return a report as it was before callbacks removed parts of it; None if that is unknown."""
    history = getattr(state, "log_history", None)
    last = history[-1] if isinstance(history, list) and history else None
    if not isinstance(last, dict) or last.get("step") != state.global_step:
        return None
    kept = logs.keys() & last.keys()
    if not kept or any(last[name] is not logs[name] for name in kept):
        return None  # the history doesn't have this report, or a callback has changed it
    return {**{name: value for name, value in last.items() if name != "step"}, **logs}


def _trainer_fields(step: int) -> dict[str, Any]:
    """Return the fields that locate an event of the trainer after `step` steps."""
    return {"step": step, "global_step": step, "generation": STEP_TRACKER.last_trained}
