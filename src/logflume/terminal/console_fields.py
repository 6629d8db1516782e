"""Which fields of an event a line shows: all that a glance needs, and no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from logflume.events.reserved import EventBase

__all__ = ["MOST_FIELDS", "Field", "all_fields", "console_fields"]

MOST_FIELDS = 8
"""Fields of one event on the console."""


class Field(NamedTuple):
    """A field of a line.

    Attributes:
        name: Its name in the event.
        shown_as: Its name in the line.
        skips_zero: Whether it is left out when it is zero, not only when it is null.
    """

    name: str
    shown_as: str
    skips_zero: bool = False


_RESERVED = frozenset(EventBase.__struct_fields__)

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
"""The metrics that a person looks at first, in this order."""

_RUN = ("host", "gpus", "git_commit", "hyperparameters/learning_rate", "hyperparameters/max_steps")
_OUTPUT = ("question", "true_answer", "answer", "model_output", "rewards/total", "advantage")


def all_fields(names: Sequence[str]) -> list[Field]:
    """Return the fields to show, but for the reserved names and what is printed anyway.

    Args:
        names: The names of an event, in order.
    """
    chosen = [
        Field(name, name)
        for name in names
        if name not in _RESERVED and name != "message" and not name.startswith("exception/")
    ]
    return [*chosen, Field("extras", "extras")] if "extras" in names else chosen


def console_fields(event_type: str, names: Sequence[str]) -> list[Field]:
    """Return the fields in the order in which they matter, of which a line shows the first few.

    Args:
        event_type: The type of the event.
        names: Its names, in order.
    """
    fields = all_fields(names)
    choose = _CHOOSERS.get(event_type)
    return choose(fields) if choose else fields


def _by_rank(fields: list[Field]) -> list[Field]:
    """Sort metrics by what people look at first; those of the GPUs are left out."""
    metrics = [field for field in fields if not field.name.startswith(("gpu/", "torch/"))]
    known = {name: place for place, name in enumerate(_METRICS)}
    return sorted(metrics, key=lambda field: known.get(field.name, len(known)))


def _means(fields: list[Field]) -> list[Field]:
    """Keep the means of rewards, the total first."""
    means = [
        Field(name, name.removeprefix("rewards/")) for name, *_ in fields if name.endswith("/mean")
    ]
    return sorted(means, key=lambda field: field.shown_as != "total/mean")


def _named(*names: str) -> Callable[[list[Field]], list[Field]]:
    return lambda fields: [field for field in fields if field.name in names]


def _counts(fields: list[Field]) -> list[Field]:
    """Keep how many events there were, and every count that should be zero and isn't."""
    return [
        Field(name, name, skips_zero=name not in ("accepted", "written"))
        for name, *_ in fields
        if name in ("accepted", "written")
        or "dropped" in name
        or name.endswith(("/failed", "misfits"))
    ]


_CHOOSERS: dict[str, Callable[[list[Field]], list[Field]]] = {
    "training": _by_rank,
    "evaluation": _by_rank,
    "reward": _means,
    "model_output": _named(*_OUTPUT),
    "run_started": _named(*_RUN),
    "pipeline": _counts,
    "message": lambda fields: [field for field in fields if field.name != "source"],
}
