"""Shortcuts: a function for each of the usual loggers and event types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from logflume.logger.arguments import max_elements
from logflume.logger.logger import EventLogger, get_logger
from logflume.resources import machine_memory, process_memory, torch_memory
from logflume.values.snapshot import snapshot

__all__ = [
    "get_metrics_logger",
    "get_model_logger",
    "get_reward_logger",
    "get_system_logger",
    "get_training_logger",
    "log_memory_usage",
    "log_model_output",
    "log_reward_metrics",
    "log_training_progress",
]


def get_training_logger(**context: Any) -> EventLogger:
    """Return the logger `training`: training progress and metrics."""
    return get_logger("training", **context)


def get_model_logger(**context: Any) -> EventLogger:
    """Return the logger `model`: completions of the model."""
    return get_logger("model", **context)


def get_reward_logger(**context: Any) -> EventLogger:
    """Return the logger `reward`: values of the reward functions."""
    return get_logger("reward", **context)


def get_system_logger(**context: Any) -> EventLogger:
    """Return the logger `system`: memory, CPU and GPU."""
    return get_logger("system", **context)


def get_metrics_logger(**context: Any) -> EventLogger:
    """Return the logger `metrics`: detailed measurements."""
    return get_logger("metrics", **context)


def log_model_output(
    question: str | None = None,
    true_answer: str | None = None,
    model_output: str | None = None,
    reasoning: str | None = None,
    answer: str | None = None,
    **fields: Any,
) -> None:
    """Log one completion as a `model_output` event.

    Args:
        question: The question, or prompt.
        true_answer: The correct answer.
        model_output: The full text of the completion.
        reasoning: The text between the reasoning tags.
        answer: The text between the answer tags.
        fields: Further fields: `step`, `rewards={"correctness": 2.0}`, `advantage` …
    """
    _MODEL.info(
        "model_output",
        **fields,
        question=question,
        true_answer=true_answer,
        model_output=model_output,
        reasoning=reasoning,
        answer=answer,
    )


def log_training_progress(step: int, metrics: Mapping[str, Any], **fields: Any) -> None:
    """Log the metrics of a training step as a `training` event.

    Args:
        step: The training step.
        metrics: Metric names and values: `{"loss": 0.5, "learning_rate": 5e-6}`.
        fields: Further fields.
    """
    _TRAINING.info("training", **{**_as_fields(metrics, "training"), **fields, "step": step})


def log_reward_metrics(
    step: int, rewards_dict: Mapping[str, Sequence[float | None]], **fields: Any
) -> None:
    """Log the values of the reward functions for one batch as a `reward` event.

    Equivalent to `get_reward_logger().info("reward", step=step, correctness=[2.0, 0.0])`.

    Args:
        step: The training step.
        rewards_dict: For each reward function, one value per completion; None where the function
            doesn't apply.
        fields: Further fields: `num_generations=8` (completions per prompt), `mode="eval"` …
    """
    _REWARD.info("reward", **{**_as_fields(rewards_dict, "reward"), **fields, "step": step})


def log_memory_usage(**fields: Any) -> None:
    """Log the memory use of the process, the machine and torch's allocator as a `system` event."""
    _SYSTEM.info("system", **{**process_memory(), **machine_memory(), **torch_memory(), **fields})


def _as_fields(values: Any, event_type: str) -> dict[str, Any]:
    """Return a mapping, or an object with fields, as keyword arguments. Never raises."""
    fields = snapshot(values, max_elements(event_type))
    if isinstance(fields, dict):
        return fields
    return {"problem": f"expected a mapping of names to values, found {fields!s:.200}"}


_TRAINING = get_training_logger()
_MODEL = get_model_logger()
_REWARD = get_reward_logger()
_SYSTEM = get_system_logger()
