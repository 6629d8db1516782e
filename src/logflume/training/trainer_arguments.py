"""The arguments of a trainer, as fields of its `run_started` event."""

from __future__ import annotations

import dataclasses
from typing import Any

__all__ = ["WELL_KNOWN", "argument_fields"]

WELL_KNOWN = frozenset(
    {"learning_rate", "lr_scheduler_type", "max_steps", "num_train_epochs", "seed"}
    | {"per_device_train_batch_size", "gradient_accumulation_steps", "weight_decay"}
    | {"num_generations", "max_completion_length", "temperature", "beta", "epsilon", "loss_type"}
)
"""Hyperparameters that are logged even with their default values."""


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


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default
