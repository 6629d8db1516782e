"""What trainers report: the event types of their metrics, and their hyperparameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

__all__ = [
    "UNSET",
    "WELL_KNOWN",
    "argument_fields",
    "hyperparameters_of",
    "is_incidental",
    "main_hyperparameters",
    "split_report",
]

_PREFIX = "hyperparameters/"

_MAIN_HYPERPARAMETERS = (
    "learning_rate",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "num_generations",
    "beta",
    "temperature",
    "max_completion_length",
    "loss_type",
    "max_length",
    "num_train_epochs",
    "max_steps",
    "seed",
)
"""Hyperparameters in which runs of a trainer usually differ, the most important first."""

WELL_KNOWN = frozenset(
    {"learning_rate", "lr_scheduler_type", "max_steps", "num_train_epochs", "seed"}
    | {"per_device_train_batch_size", "gradient_accumulation_steps", "weight_decay"}
    | {"num_generations", "max_completion_length", "temperature", "beta", "epsilon", "loss_type"}
)
"""Hyperparameters that are logged even with their default values."""

UNSET = frozenset({"None", "[]", "{}", ""})
"""The texts of hyperparameters that are not set."""

_INCIDENTAL = frozenset(
    {
        *("dir", "folder", "logdir", "run_name", "run_id", "resume_from_checkpoint"),
        *("disable_tqdm", "log_level", "report_to", "push_to_hub", "hub_model_id"),
    }
)

_EVALUATION_PREFIX = "eval_"

_OTHER_PREFIXES = ("test_", "predict_", "val_", "valid_", "validation_")
"""Common values of `metric_key_prefix` other than `eval`."""

_SPEED = ("samples_per_second", "steps_per_second", "tokens_per_second")
"""What transformers reports after a prefix, in addition to the runtime."""

_OF_STEPS = frozenset({"loss", "grad_norm", "learning_rate"})
"""Metrics of training steps, which the report of an evaluation has only with a prefix."""

_FINAL_NAMES = frozenset({"total_flos", "train_runtime", *(f"train_{name}" for name in _SPEED)})
"""Names that only the final report of a training session has."""

_MEMORY = ("train_mem_", "init_mem_", "before_init_mem_")
"""Prefixes of transformers' memory metrics, which the final report may have."""


def split_report(
    report: Mapping[Any, Any], shared: Collection[str] = ("epoch",), *, is_whole: bool = False
) -> dict[str, dict[str, Any]]:
    """Split a report into the fields of `training`, `evaluation` and `summary` events.

    - A report with an `eval_` name is an evaluation as a whole, because trainers prefix most of
      its names, but not all. If a name occurs with and without the prefix, two reports were merged
      into one, and each name is assigned on its own.
    - Names with the prefix of another evaluation (`evaluate(metric_key_prefix="test")`) are
      metrics of an evaluation, and keep the prefix. So are the other names of its report, unless
      a report of the training was merged with it, which `loss` or `learning_rate` shows.
    - What only a trainer's final report has (`train_runtime`, `total_flos`, and with them
      `train_loss`) makes a summary. Any other `train_` name is a metric of the training.
    - `evaluate(metric_key_prefix="train")` reports the same names as the end of training, except
      for `total_flos`. It is an evaluation if the report is known to be complete.

    Args:
        report: What a `transformers` Trainer passes to `on_log`, or keeps in its `log_history`.
        shared: Names of fields that locate a report. Every event gets them, and they don't cause
            an event of their own if there is another.
        is_whole: Whether the report is known to be complete. transformers' `PrinterCallback`
            removes `total_flos`.

    Returns:
        The fields by event type, for the types that the report has metrics of.

    Example:
        >>> split_report({"eval_loss": 0.5, "reward": 1.0, "epoch": 1.0})
        {'evaluation': {'loss': 0.5, 'reward': 1.0, 'epoch': 1.0}}
        >>> split_report({"test_loss": 0.5})
        {'evaluation': {'test_loss': 0.5}}
        >>> split_report({"train_accuracy": 0.5})
        {'training': {'train_accuracy': 0.5}}
    """
    common = {name: value for name, value in report.items() if name in shared}
    metrics = {str(name): value for name, value in report.items() if name not in shared}
    by_type: dict[str, dict[str, Any]] = {"training": {}, "evaluation": {}, "summary": {}}
    prefixes = _find_prefixes(metrics, is_whole)
    is_evaluation = _is_evaluation(metrics, prefixes)
    is_final = not _FINAL_NAMES.isdisjoint(metrics)
    for name, value in metrics.items():
        is_evaluated = is_evaluation or name.startswith(prefixes)
        event = "evaluation" if is_evaluated else _event_of(name, is_final)
        by_type[event][name.removeprefix(_EVALUATION_PREFIX)] = value
    # The final report may contain training metrics as well as the summary.
    events = {event: {**fields, **common} for event, fields in by_type.items() if fields}
    return events or {"training": common}


def argument_fields(arguments: Any) -> dict[str, Any]:
    """Return the fields `arguments` (all of them, as one JSON text) and `hyperparameters`.

    A trainer has about 150 arguments, which would make up most columns of a journal. Therefore
    only those that differ from their default, and the well-known ones, become fields.

    Args:
        arguments: A `TrainingArguments` or a subclass of it.
    """
    values = arguments.to_sanitized_dict()
    changed = {
        field.name
        for field in dataclasses.fields(arguments)
        if getattr(arguments, field.name, None) != _default(field)
    }
    selected = (changed | WELL_KNOWN) & values.keys()
    return {
        "arguments": values,
        "hyperparameters": {name: values[name] for name in sorted(selected)},
    }


def hyperparameters_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hyperparameters in the fields of a `run_started` event, without those of null.

    >>> hyperparameters_of({"event": "run_started", "hyperparameters/beta": 0.5})
    {'beta': 0.5}
    """
    return {
        name.removeprefix(_PREFIX): value
        for name, value in event.items()
        if name.startswith(_PREFIX) and value is not None
    }


def main_hyperparameters(
    hyperparameters: Mapping[str, Any], limit: int | None = None
) -> dict[str, Any]:
    """Return the hyperparameters that matter most; all if none of these is given.

    Args:
        hyperparameters: The hyperparameters by name.
        limit: The maximum number of hyperparameters; None: no maximum.

    Example:
        >>> main_hyperparameters({"logging_steps": 1, "seed": 0, "learning_rate": 1e-3})
        {'learning_rate': 0.001, 'seed': 0}
    """
    known = [name for name in _MAIN_HYPERPARAMETERS if hyperparameters.get(name) is not None]
    chosen = known[:limit] or list(hyperparameters)
    return {name: hyperparameters[name] for name in chosen}


def is_incidental(name: str) -> bool:
    """Whether a hyperparameter says nothing about the training: folders, names, progress bars.

    >>> is_incidental("output_dir"), is_incidental("model_name_or_path")
    (True, False)
    """
    return name in _INCIDENTAL or name.endswith(("_dir", "_folder"))


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _find_prefixes(names: Collection[str], is_whole: bool) -> tuple[str, ...]:
    """Return the prefixes of evaluations: `evaluate` reports its speed, whatever the prefix."""
    prefixes = [name.removesuffix("runtime") for name in names if name.endswith("_runtime")]
    if not is_whole or "total_flos" in names:
        prefixes = [prefix for prefix in prefixes if prefix != "train_"]
    return tuple(p for p in prefixes if any(f"{p}{speed}" in names for speed in _SPEED))


def _is_evaluation(names: Collection[str], prefixes: Collection[str]) -> bool:
    """Whether a report with these names is the report of an evaluation as a whole."""
    evaluated = [n.removeprefix(_EVALUATION_PREFIX) for n in names if _has_eval_prefix(n)]
    if evaluated:
        return set(evaluated).isdisjoint(names)
    return bool(prefixes) and _OF_STEPS.isdisjoint(names)


def _event_of(name: str, is_final: bool) -> str:
    """Return the event type of a single name, which depends on whether the report is final."""
    if _has_eval_prefix(name) or name.startswith(_OTHER_PREFIXES):
        return "evaluation"
    if is_final and (name in _FINAL_NAMES or name == "train_loss" or name.startswith(_MEMORY)):
        return "summary"
    return "training"


def _has_eval_prefix(name: str) -> bool:
    return name.startswith(_EVALUATION_PREFIX)
