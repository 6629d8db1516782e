"""Finds the step in rows of metrics, under the names that trainers and loggers give it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from logflume.importing.names import parse_nonfinite
from logflume.values.steps import parse_step

__all__ = ["FIELD_STEPS", "STEP_NAMES", "TIME_NAMES", "Row", "find_step_name", "read_step"]

Row: TypeAlias = Mapping[str, Mapping[str, Any]]
"""The values of a row by name, for each part of the source; an only part is named `""`."""

_OF_TOTAL = "global_step/max_steps"
"""The name of ms-swift, whose values are texts such as `3/100`."""

_EPOCHS = ("epoch", "Epoch")
_GLOBAL_STEPS = ("train/global_step", "training/global_step", "global_step")

FIELD_STEPS = (*_GLOBAL_STEPS, "epoch")
"""Names of the step that are also fields: `global_step` and `epoch`."""

STEP_NAMES = (
    *_GLOBAL_STEPS,  # transformers, verl
    "trainer/global_step",  # Lightning
    _OF_TOTAL,
    "current_steps",  # LLaMA-Factory
    "iter",  # MMEngine, whose `step` is an epoch in evaluations
    "iteration",  # Detectron2, Megatron-LM
    "step",
    "Step",
    "training_iteration",  # RLlib
    "num_updates",  # fairseq
    "time/total_timesteps",  # Stable-Baselines3
    "_step",
    *_EPOCHS,  # Keras, Ultralytics, fastai
)
"""Names of the step in order of preference: those of the trainer come before those of a logger.

W&B's own `_step` counts calls of `log`, not steps.
"""

TIME_NAMES = ("_timestamp", "timestamp")

_SHARE_OF_TOTAL = re.compile(r"\s*(\d{1,18})/\d{1,18}\s*", re.ASCII)


def find_step_name(rows: Sequence[Row]) -> str | None:
    """Return the first of `STEP_NAMES` whose values are steps; None if there is none.

    An epoch is a step only where it has each metric once.
    """
    reports = [report for row in rows for report in row.values()]
    for name in STEP_NAMES:
        found = [report for report in reports if read_step(report, name) is not None]
        if found and (name not in _EPOCHS or _are_steps(name, reports)):
            return name
    return None


def read_step(report: Mapping[str, Any], name: str | None) -> int | float | None:
    """Return the step of a report; None if it has none, or one that is not a whole number."""
    value = report.get(name) if name is not None else None
    if name == _OF_TOTAL and isinstance(value, str) and (match := _SHARE_OF_TOTAL.fullmatch(value)):
        value = match[1]
    value = parse_step(parse_nonfinite(value))
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value if value == int(value) else None


def _are_steps(name: str, reports: Sequence[Mapping[str, Any]]) -> bool:
    """Whether all epochs are whole numbers, and none has a metric twice."""
    of_epochs = [report for report in reports if name in report]
    epochs = [read_step(report, name) for report in of_epochs]
    seen = [
        (epoch, other)
        for epoch, report in zip(epochs, of_epochs, strict=True)
        for other in report
        if other not in (name, *TIME_NAMES)
    ]
    return None not in epochs and len(set(seen)) == len(seen)
