"""A trainer's arguments, as `run_started` has them."""

from __future__ import annotations

import dataclasses
from typing import Any

__all__ = ["WELL_KNOWN", "argument_fields"]

WELL_KNOWN = frozenset(
    {"learning_rate", "lr_scheduler_type", "max_steps", "num_train_epochs", "seed"}
    | {"per_device_train_batch_size", "gradient_accumulation_steps", "weight_decay"}
    | {"num_generations", "max_completion_length", "temperature", "beta", "epsilon", "loss_type"}
)
"""Hyperparameters that say something with their default value, too."""


def argument_fields(arguments: Any) -> dict[str, Any]:
    """Return `arguments` (all of them, as one JSON text) and `hyperparameters` (those that matter).

    A trainer has some 150 arguments. As fields they would be most of the columns of a journal, so
    fields are only those that were set to something else than their default, and the well-known.

    Args:
        arguments: A `TrainingArguments` or a subclass of it.
    """
    values = arguments.to_sanitized_dict()
    changed = {
        field.name
        for field in dataclasses.fields(arguments)
        if getattr(arguments, field.name, None) != _default(field)
    }
    wanted = (changed | WELL_KNOWN) & values.keys()
    return {
        "arguments": values,
        "hyperparameters": {name: values[name] for name in sorted(wanted)},
    }


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default
