"""Selects and orders the fields of an event that a console line shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from logflume.events.reserved import RESERVED_NAMES

__all__ = ["MAX_FIELDS", "Field", "all_fields", "console_fields", "histogram_details"]

MAX_FIELDS = 8
"""Maximum number of fields shown for one event on the console."""


class Field(NamedTuple):
    """A field as shown in a line.

    Attributes:
        name: Its name in the event.
        shown_as: Its name in the line.
        skips_zero: Whether it is omitted when it is zero, in addition to when it is null.
    """

    name: str
    shown_as: str
    skips_zero: bool = False


_METRICS = (
    "loss",
    "reward",
    "reward_std",
    "accuracy",
    "kl",
    "entropy",
    "grad_norm",
    "learning_rate",
    "completions/mean_length",
    "completions/clipped_ratio",
    "epoch",
)
"""The metrics that people look at first, in this order."""

_OF_HISTOGRAMS = ("shape", "dtype", "n", "nonfinite", "min", "max", "std", "histogram")

_RUN = ("host", "gpus", "git_commit", "learning_rate", "max_steps", "per_device_train_batch_size")
_OUTPUT = ("question", "true_answer", "answer", "model_output", "rewards/total", "advantage")


def all_fields(names: Sequence[str]) -> list[Field]:
    """Return all fields except those that a line shows in another form, such as the reserved names.

    Args:
        names: The field names of an event, in order.
    """
    selected = [
        Field(name, name)
        for name in names
        if name not in RESERVED_NAMES and name != "message" and not name.startswith("exception/")
    ]
    return [*selected, Field("extras", "extras")] if "extras" in names else selected


def console_fields(event_type: str, names: Sequence[str]) -> list[Field]:
    """Return the fields of an event, most important first. A line shows the first `MAX_FIELDS`.

    Args:
        event_type: The type of the event.
        names: Its field names, in order.
    """
    details = histogram_details(tuple(names))
    fields = [field for field in all_fields(names) if field.name not in details]
    select = _SELECTORS.get(event_type)
    return select(fields) if select else fields


@lru_cache(maxsize=256)
def histogram_details(names: tuple[str, ...]) -> frozenset[str]:
    """Return the fields of histograms that a line omits: all but their means.

    >>> sorted(histogram_details(("loss", "a/n", "a/mean", "a/histogram")) & {"a/n", "a/mean"})
    ['a/n']
    """
    bases = [name.removesuffix("/histogram") for name in names if name.endswith("/histogram")]
    return frozenset(f"{base}/{detail}" for base in bases for detail in _OF_HISTOGRAMS)


def _by_importance(fields: list[Field]) -> list[Field]:
    """Sort metrics by `_METRICS`, and omit GPU metrics."""
    metrics = [field for field in fields if not field.name.startswith(("gpu/", "torch/"))]
    order = {name: index for index, name in enumerate(_METRICS)}
    return sorted(metrics, key=lambda field: order.get(field.name, len(order)))


def _means(fields: list[Field]) -> list[Field]:
    """Keep the means of the rewards, the total first."""
    means = [
        Field(name, name.removeprefix("rewards/")) for name, *_ in fields if name.endswith("/mean")
    ]
    return sorted(means, key=lambda field: field.shown_as != "total/mean")


def _named(*names: str) -> Callable[[list[Field]], list[Field]]:
    return lambda fields: [field for field in fields if field.name in names]


def _counts(fields: list[Field]) -> list[Field]:
    """Keep the counts of accepted and written events, and nonzero counts of problems."""
    return [
        Field(name, name, skips_zero=name not in ("accepted", "written"))
        for name, *_ in fields
        if name in ("accepted", "written")
        or "dropped" in name
        or name.endswith(("/failed", "misfits"))
    ]


def _of_run(fields: list[Field]) -> list[Field]:
    """Keep what identifies a run, and its hyperparameters, the well-known ones first."""
    shown = [(name, name.removeprefix("hyperparameters/")) for name, *_ in fields]
    kept = [Field(name, short) for name, short in shown if short in _RUN or short != name]
    order = {name: index for index, name in enumerate(_RUN)}
    return sorted(kept, key=lambda field: order.get(field.shown_as, len(order)))


_SELECTORS: dict[str, Callable[[list[Field]], list[Field]]] = {
    "training": _by_importance,
    "evaluation": _by_importance,
    "reward": _means,
    "model_output": _named(*_OUTPUT),
    "run_started": _of_run,
    "pipeline": _counts,
    "checkpoint": lambda fields: [field for field in fields if field.name != "global_step"],
    "exception": lambda fields: [field for field in fields if field.name != "thread"],
    "message": lambda fields: [field for field in fields if field.name != "source"],
}
