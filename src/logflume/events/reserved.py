"""What the types of the catalogue are made of: the reserved names, and families of fields."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

__all__ = [
    "EXCEPTION_FAMILIES",
    "GPU_FAMILIES",
    "LEVELS",
    "MAX_TYPE_LENGTH",
    "POSITION",
    "QUALITY_FAMILIES",
    "RESERVED_FOR_PIPELINE",
    "EventBase",
    "Families",
    "TrainerEvent",
    "doc",
    "is_type_name",
    "unit",
]


LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
"""Level names and their numbers, as in Python's `logging`."""

POSITION = "_position"
"""Where `tag_step` finds the step and mode that `set_step` gave; gone after the chain."""

RESERVED_FOR_PIPELINE = frozenset(
    {"timestamp", "level", "logger", "event", "run", "attempt", "rank", "seq"}
    | {"process", "extras", "nonfinite", POSITION, ""}
)
"""Names that a user's field can't take: such a field is kept in `extras`."""

MAX_TYPE_LENGTH = 100
"""Characters of a type's name; longer text is a message."""

_TYPE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


def is_type_name(text: str) -> bool:
    """Whether a text can name an event's type.

    >>> is_type_name("kl.spike"), is_type_name("Learning rate may be too high")
    (True, False)
    """
    # The length first: a cache must not keep long messages alive.
    return len(text) <= MAX_TYPE_LENGTH and _matches_type_name(text)


@lru_cache(maxsize=1024)
def _matches_type_name(text: str) -> bool:
    return _TYPE_NAME.fullmatch(text) is not None


Families = dict[str, tuple[Any, str]]


def unit(name: str, text: str) -> Meta:
    """Return the meaning of a field that has a unit."""
    return Meta(description=text, extra_json_schema={"unit": name}, extra={"unit": name})


def doc(text: str) -> Meta:
    """Return the meaning of a field."""
    return Meta(description=text)


class EventBase(Struct, kw_only=True, omit_defaults=True):
    """The names reserved in every event."""

    timestamp: Annotated[
        str,
        Meta(
            description="when the call was made: RFC 3339, UTC, microseconds",
            extra_json_schema={"format": "date-time"},
        ),
    ]
    level: Annotated[
        Literal["debug", "info", "warning", "error", "critical"], doc("how serious it is")
    ]
    logger: Annotated[str, doc("training, model, reward, system, metrics, or a name of your own")]
    event: Annotated[str, doc("the type of the event")]
    run: Annotated[str, doc("run id, the same for all ranks and attempts")]
    attempt: Annotated[int, doc("0, then 1, 2 … each time the run is resumed")]
    rank: Annotated[int, doc("process rank, 0 on one machine")]
    seq: Annotated[
        int, doc("counts the events of this process within the attempt; a gap is a loss")
    ]
    step: Annotated[int | None, doc("training step")]
    mode: Annotated[Literal["train", "eval"] | None, doc("train or eval, where known")] = None
    process: Annotated[
        str | None, doc("pid<pid> in a forked child, whose `seq` is its own; else absent")
    ] = None
    extras: Annotated[str | None, doc("JSON text of what did not fit its column")] = None
    nonfinite: Annotated[
        dict[str, str] | None,
        doc("JSON only: fields that are NaN or infinite, written as null"),
    ] = None

    families: ClassVar[Families] = {}


class TrainerEvent(EventBase):
    """What a trainer's events say beside their step."""

    global_step: Annotated[
        int | None, doc("steps the trainer had done: in training, rollouts are of the one after")
    ] = None
    generation: Annotated[
        int | None,
        doc("batch of rollouts, from 0 within the attempt; of metrics the newest trained on"),
    ] = None


GPU_FAMILIES: Families = {
    "gpu/*/utilization_percent": (float, "share of time that the GPU was busy"),
    "gpu/*/memory_used_bytes": (int, "memory in use on the GPU"),
    "gpu/*/memory_total_bytes": (int, "memory of the GPU"),
    "gpu/*/process_memory_bytes": (int, "memory of this process on the GPU"),
    "gpu/*/temperature_celsius": (float, "temperature of the GPU"),
    "gpu/*/power_watts": (float, "power drawn"),
    "gpu/*/clock_sm_mhz": (float, "clock of the multiprocessors"),
    "gpu/*/clock_memory_mhz": (float, "clock of the memory"),
    "gpu/*/throttle_reasons": (str, "why the clock is held down, names joined by commas"),
    "torch/*_bytes": (int, "torch's allocator: allocated, reserved, peak"),
}
"""Statistics of the GPUs, in `system` events and where `inject_gpu_stats` puts them."""

QUALITY_FAMILIES: Families = {
    "quality/characters": (int, "length of the text, in characters"),
    "quality/words": (int, "length in words; a tag is a word of its own"),
    "quality/format_ok": (bool, "one reasoning, then one answer, each tag exactly once"),
    "quality/has_answer": (bool, "the answer tags are there and hold something"),
    "quality/correct": (bool, "the answer is the true one"),
    "quality/repetition": (float, "share of n-grams of words that occurred before"),
    "quality/distinct_2": (float, "distinct bigrams among all"),
}
"""What `measure_generations` says of a completion."""

EXCEPTION_FAMILIES: Families = {
    "exception/type": (str, "class of the exception"),
    "exception/message": (str, "its text"),
    "exception/traceback": (str, "the traceback as Python prints it"),
    "exception/frames": (list[str | None], "its frames, outermost first: file:line function"),
}
"""Fields that any event logged with `exc_info` has."""
