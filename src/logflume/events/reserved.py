"""Building blocks of the catalogue: the reserved names and shared families of fields."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

__all__ = [
    "EXCEPTION_FAMILIES",
    "GPU_FAMILIES",
    "JSON_TEXT_FIELDS",
    "LEVELS",
    "MAX_TYPE_LENGTH",
    "QUALITY_FAMILIES",
    "RESERVED_FOR_PIPELINE",
    "RESERVED_NAMES",
    "STEP_AND_MODE",
    "Aggregate",
    "EventBase",
    "Families",
    "TrainerEvent",
    "aggregated",
    "doc",
    "is_metric_name",
    "is_type_name",
    "unit",
]


LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
"""Level names and their numbers, as in Python's `logging`."""

STEP_AND_MODE = "_step_and_mode"
"""Holds the step and mode from `set_step` for `tag_step`; removed after the processor chain."""

RESERVED_FOR_PIPELINE = frozenset(
    {"timestamp", "level", "logger", "event", "run", "attempt", "rank", "seq"}
    | {"process", "extras", "nonfinite", STEP_AND_MODE, ""}
)
"""Names that a user's field can't have; such a field is kept in `extras`."""

MAX_TYPE_LENGTH = 100
"""Maximum length of an event type in characters; longer text is a message."""

_TYPE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")

_METRIC_NAME = re.compile(r"[^\W\d]\w*([./:@-]\w+)*")


def is_type_name(text: str) -> bool:
    """Whether a text is a valid name of an event type.

    >>> is_type_name("kl.spike"), is_type_name("Learning rate may be too high")
    (True, False)
    """
    # The length is checked first, so that the cache never keeps long messages alive.
    return len(text) <= MAX_TYPE_LENGTH and _matches_type_name(text)


def is_metric_name(text: str) -> bool:
    """Whether a text is a single word, as names of metrics are.

    >>> is_metric_name("val/top-1"), is_metric_name("Loading...")
    (True, False)
    """
    return len(text) <= MAX_TYPE_LENGTH and _METRIC_NAME.fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _matches_type_name(text: str) -> bool:
    return _TYPE_NAME.fullmatch(text) is not None


JSON_TEXT_FIELDS = frozenset({"messages", "prompt_messages", "tools"})
"""Fields whose text is JSON. Changes are made to its structure, so that it stays valid."""


Families = dict[str, tuple[Any, str]]


Aggregate = Literal["mean", "min", "max", "sum", "std", "last"]
"""How the values of a field in several events of one step become one (`values/aggregates.py`)."""


def unit(name: str, text: str, aggregate: Aggregate = "mean") -> Meta:
    """Return the description of a field with a unit."""
    extra = {"unit": name, "aggregate": aggregate}
    return Meta(description=text, extra_json_schema={"unit": name}, extra=extra)


def aggregated(aggregate: Aggregate) -> Meta:
    """Return the annotation of a family whose fields are not aggregated by their mean."""
    return Meta(extra={"aggregate": aggregate})


def doc(text: str, aggregate: Aggregate = "mean") -> Meta:
    """Return the description of a field."""
    return Meta(description=text, extra={"aggregate": aggregate})


class EventBase(Struct, kw_only=True, omit_defaults=True):
    """The reserved names, which every event has."""

    timestamp: Annotated[
        str,
        Meta(
            description="time of the log call: RFC 3339 in UTC, with microseconds",
            extra_json_schema={"format": "date-time"},
        ),
    ]
    level: Annotated[
        Literal["debug", "info", "warning", "error", "critical"], doc("severity of the event")
    ]
    logger: Annotated[
        str, doc("name of the logger: training, model, reward, system, metrics or a custom name")
    ]
    event: Annotated[str, doc("event type")]
    run: Annotated[str, doc("run id, the same for all ranks and attempts")]
    attempt: Annotated[int, doc("0, then 1, 2 … each time the run is continued")]
    rank: Annotated[int, doc("rank of the process, 0 on one machine")]
    seq: Annotated[
        int, doc("number of the event within its attempt and process, from 0; a gap is a loss")
    ]
    step: Annotated[int | None, doc("training step")]
    mode: Annotated[Literal["train", "eval"] | None, doc("train or eval, if known")] = None
    process: Annotated[
        str | None, doc("pid<pid> in a forked child, which counts `seq` itself; absent otherwise")
    ] = None
    extras: Annotated[str | None, doc("JSON text of the values that did not fit their column")] = (
        None
    )
    nonfinite: Annotated[
        dict[str, str] | None,
        doc("JSON only: values of the fields that are NaN or infinite, which JSON has as null"),
    ] = None

    families: ClassVar[Families] = {}

    has_curves: ClassVar[bool] = True
    """Whether the numbers of the type are curves; not those of texts, lists and reports."""


RESERVED_NAMES = frozenset(EventBase.__struct_fields__)
"""The names of these fields."""


class TrainerEvent(EventBase):
    """Fields shared by the events of a trainer."""

    global_step: Annotated[
        int | None,
        doc(
            "steps that the trainer had completed; rollouts for training belong to the next step",
            "last",
        ),
    ] = None
    generation: Annotated[
        int | None,
        doc(
            "number of the rollout in the attempt, from 0; of metrics, the latest one trained on",
            "last",
        ),
    ] = None


GPU_FAMILIES: Families = {
    "gpu/*/utilization_percent": (float, "share of time in which the GPU was busy"),
    "gpu/*/memory_used_bytes": (int, "memory in use on the GPU"),
    "gpu/*/memory_total_bytes": (int, "total memory of the GPU"),
    "gpu/*/process_memory_bytes": (int, "memory used by this process on the GPU"),
    "gpu/*/temperature_celsius": (float, "temperature of the GPU"),
    "gpu/*/power_watts": (float, "power draw of the GPU"),
    "gpu/*/clock_sm_mhz": (float, "clock of the streaming multiprocessors"),
    "gpu/*/clock_memory_mhz": (float, "clock of the GPU memory"),
    "gpu/*/throttle_reasons": (str, "reasons for a reduced clock, comma-separated"),
    "torch/*_bytes": (int, "CUDA memory of torch's allocator: allocated, reserved or peak"),
}
"""GPU statistics, which `inject_gpu_stats` adds to `system` and other events."""

QUALITY_FAMILIES: Families = {
    "quality/characters": (int, "length of the text in characters"),
    "quality/words": (int, "length of the text in words; each tag is a word of its own"),
    "quality/format_ok": (
        bool,
        "whether there is one reasoning, then one answer, each tag exactly once",
    ),
    "quality/has_answer": (bool, "whether the text has an answer"),
    "quality/correct": (bool, "whether the answer equals the true answer"),
    "quality/repetition": (float, "share of word n-grams that occurred before in the text"),
    "quality/distinct_2": (float, "share of distinct word bigrams"),
}
"""The measures that `measure_generations` adds to a completion."""

EXCEPTION_FAMILIES: Families = {
    "exception/type": (str, "class of the exception"),
    "exception/message": (str, "message of the exception"),
    "exception/traceback": (str, "traceback as Python prints it"),
    "exception/frames": (
        list[str | None],
        "frames of the traceback, outermost first: file:line function",
    ),
}
"""Fields of any event that is logged with `exc_info`."""
