"""Callbacks that log what a `transformers` Trainer reports.

They need `transformers`, which comes with the extra `trl`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from logflume.events.trainer_names import split_report
from logflume.exceptions import MissingExtraError
from logflume.guard import Failure, call_guarded, describe
from logflume.logger.logger import get_logger
from logflume.runtime.exits import forget_ending
from logflume.runtime.lifecycle import current_config, set_step
from logflume.training.step_tracker import PHASE
from logflume.training.trainer_arguments import argument_fields
from logflume.training.validation import Validation
from logflume.values.mean_window import MeanWindow

try:
    from transformers import TrainerCallback
except ImportError as error:
    raise MissingExtraError("transformers", "trl") from error

__all__ = ["EnhancedLoggingCallback", "OptimizedLoggingCallback"]


class EnhancedLoggingCallback(TrainerCallback):
    """Logs every report of the trainer: `training`, `evaluation`, `checkpoint`, `summary`.

    It also sets the step that all other events of the process are tagged with. Metrics are logged
    once, by the main process.

    Args:
        validation_prompts: Prompts that the model completes every `validation_frequency` steps, in
            one of the forms of `logflume.training.validation.Validation`. For models that are
            whole in one process, since the main process generates alone.
        validation_frequency: In steps; None takes `metrics.validation_frequency` of the
            configuration.
        validation_tokens: The longest completion of these prompts, in tokens.

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
        """Log the trainer's arguments, and follow its steps from here on."""
        forget_ending()  # a training that failed before may be tried again
        PHASE.is_followed = True
        PHASE.in_step = False
        PHASE.trained_on = None
        PHASE.outputs_every = self.outputs_every
        set_step(state.global_step)
        if state.is_world_process_zero:
            get_logger("training").info("run_started", **argument_fields(args))

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tag what comes with the step that this one leads to."""
        PHASE.in_step = True
        set_step(state.global_step + 1, "train")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Leave the mode open: what comes before the next step may be an evaluation."""
        PHASE.in_step = False
        set_step(state.global_step)
        is_due = self._has_prompts and state.global_step % self._frequency == 0
        if is_due and state.is_world_process_zero:
            self._validate(state.global_step, kwargs)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Log what the trainer reports, by the names of the metrics."""
        if not logs or not state.is_world_process_zero:
            return
        for event, metrics in split_report(logs).items():
            if event == "training":
                self.log_training(state.global_step, metrics)
            else:
                fields = {**metrics, **_where(state.global_step)}
                mode = {"mode": "eval"} if event == "evaluation" else {}
                get_logger("training").info(event, **{**fields, **mode})

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Log where the checkpoint is."""
        if state.is_world_process_zero:
            path = f"{args.output_dir}/checkpoint-{state.global_step}"
            get_logger("training").info("checkpoint", path=path, **_where(state.global_step))

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stop following the trainer."""
        PHASE.is_followed = False
        PHASE.in_step = False

    def _validate(self, step: int, given: dict[str, Any]) -> None:
        tokenizer = given.get("processing_class")
        done = call_guarded(self._validation.run, given["model"], tokenizer, step)
        if isinstance(done, Failure):
            get_logger("training").warning(f"The validation failed: {describe(done.error)}")

    def log_training(self, step: int, metrics: dict[str, Any]) -> None:
        """Log the metrics of a step."""
        get_logger("training").info("training", **{**metrics, **_where(step), "mode": "train"})


class OptimizedLoggingCallback(EnhancedLoggingCallback):
    """Logs less: means over some steps, and the completions of every so many batches.

    Args:
        logging_frequency: Length of the window in steps; None takes `metrics.logging_frequency`
            of the configuration, or 10 where that is 1.
        validation: The arguments of `EnhancedLoggingCallback`.
    """

    def __init__(self, logging_frequency: int | None = None, **validation: Any) -> None:
        super().__init__(**validation)
        configured = current_config().metrics.logging_frequency
        frequency = logging_frequency or (configured if configured > 1 else 10)
        self.outputs_every = frequency
        self._window = MeanWindow(frequency)
        self._step = 0

    def log_training(self, step: int, metrics: dict[str, Any]) -> None:
        """Add the metrics to the window, and log its means when it is full."""
        self._step = step
        if means := self._window.add(step, metrics):
            super().log_training(step, means)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Log the means of a window that isn't full."""
        if means := self._window.take():
            super().log_training(self._step, means)
        super().on_train_end(args, state, control, **kwargs)


def _where(step: int) -> dict[str, Any]:
    """Return what tells where an event of the trainer belongs, after so many steps."""
    return {"step": step, "global_step": step, "generation": PHASE.trained_on}
