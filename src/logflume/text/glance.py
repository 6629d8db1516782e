"""Which fields of an event a line shows: all that a glance needs, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from logflume.event_base import EventBase
from logflume.protocols import Event

__all__ = ["all_fields", "glance_fields"]

Field = tuple[str, Any]

MOST_FIELDS = 8
"""Fields of one event on the console."""

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


def all_fields(event: Event) -> Iterator[Field]:
    """Yield the fields that have a value, but for the reserved names and what is printed anyway."""
    for name, value in event.items():
        if name in _RESERVED or value is None or name == "message":
            continue
        if not name.startswith("exception/"):
            yield name, value
    if (extras := event.get("extras")) is not None:
        yield "extras", extras


def glance_fields(event: Event) -> Iterator[Field]:
    """Yield the fields that matter most."""
    fields = list(all_fields(event))
    chosen = _CHOOSERS.get(event["event"], _first)(fields)
    yield from chosen[:MOST_FIELDS]


def _first(fields: list[Field]) -> list[Field]:
    return fields


def _by_rank(fields: list[Field]) -> list[Field]:
    """Sort metrics by what people look at first; those of the GPUs are left out."""
    metrics = [field for field in fields if not field[0].startswith(("gpu/", "torch/"))]
    known = {name: place for place, name in enumerate(_METRICS)}
    return sorted(metrics, key=lambda field: known.get(field[0], len(known)))


def _means(fields: list[Field]) -> list[Field]:
    """Keep the means of rewards, the total first."""
    means = [(n.removeprefix("rewards/"), v) for n, v in fields if n.endswith("/mean")]
    return sorted(means, key=lambda field: field[0] != "total/mean")


def _named(*names: str) -> Any:
    return lambda fields: [field for field in fields if field[0] in names]


def _counts(fields: list[Field]) -> list[Field]:
    """Keep how many events there were, and every count that should be zero and isn't."""
    return [
        (name, value)
        for name, value in fields
        if name in ("accepted", "written")
        or (value and ("dropped" in name or name.endswith(("/failed", "misfits"))))
    ]


_CHOOSERS: dict[str, Any] = {
    "training": _by_rank,
    "evaluation": _by_rank,
    "reward": _means,
    "model_output": _named(*_OUTPUT),
    "run_started": _named(*_RUN),
    "pipeline": _counts,
    "message": lambda fields: [field for field in fields if field[0] != "source"],
}
