"""The configuration: what each key means, its type and its default."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

__all__ = [
    "BufferConfig",
    "Config",
    "Level",
    "LoggerConfig",
    "MetricsConfig",
    "QueueConfig",
    "SinkConfig",
    "StdlibConfig",
    "WhenFull",
]


class WhenFull(StrEnum):
    """What a full buffer does."""

    BLOCK = "block"
    """Wait for room, at most `block_timeout_s`; then drop the new record."""
    DROP_NEWEST = "drop_newest"
    """Drop the new record."""
    DROP_OLDEST = "drop_oldest"
    """Drop the oldest record to make room."""


Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

Count = Annotated[int, Meta(ge=1)]

LONGEST_WAIT_S = 86_400.0

Seconds = Annotated[float, Meta(gt=0, le=LONGEST_WAIT_S)]


class BufferConfig(Struct, kw_only=True, forbid_unknown_fields=True):
    """The buffer between the training and the worker.

    Attributes:
        size: Events it holds.
        when_full: What a call does when it is full: wait (`block`) or drop.
        block_timeout_s: The longest that a call waits, in seconds.
        flush_interval_s: How often the worker empties it, in seconds.
    """

    size: Count = 65_536
    when_full: WhenFull = WhenFull.BLOCK
    block_timeout_s: Annotated[float, Meta(ge=0, le=LONGEST_WAIT_S)] = 1.0
    flush_interval_s: Seconds = 0.05


class LoggerConfig(Struct, kw_only=True, forbid_unknown_fields=True):
    """A logger: its level and its sinks.

    Attributes:
        level: Calls below it cost nothing and leave nothing. Not given: the root's.
        sinks: Names of the sinks; None takes the root's.
    """

    level: Level = "INFO"
    sinks: list[str] | None = None


class QueueConfig(Struct, kw_only=True, forbid_unknown_fields=True):
    """The queue of a sink that has its own thread.

    Attributes:
        size: Events it holds.
        when_full: What the worker does when it is full.
    """

    size: Count = 65_536
    when_full: WhenFull = WhenFull.BLOCK


class SinkConfig(Struct, kw_only=True):
    """A sink.

    Attributes:
        type: The registered kind.
        level: The lowest level that it takes.
        events: The event types that it takes; None takes all.
        queue: Given: the sink gets a thread of its own, whatever its kind says.
        options: What its class is called with.
        instance: A ready sink, given to `initialize()` as an object.
    """

    type: str
    level: Level = "DEBUG"
    events: list[str] | None = None
    queue: QueueConfig | None = None
    options: dict[str, Any] = field(default_factory=dict)
    instance: Any = None


class MetricsConfig(Struct, kw_only=True, forbid_unknown_fields=True):
    """How often metrics are logged.

    Attributes:
        logging_frequency: Every so many steps; `aggregate_metrics` gives the mean between.
        validation_frequency: Samples of the model are taken every so many steps.
    """

    logging_frequency: Count = 1
    validation_frequency: Count = 250


class StdlibConfig(Struct, kw_only=True, forbid_unknown_fields=True):
    """What of Python's own logging becomes `message` events.

    Attributes:
        level: The lowest level that does.
        loggers: Names of the loggers; their children are included.
        warnings: Whether Python's warnings do too.
    """

    level: Level = "WARNING"
    loggers: list[str] = field(default_factory=list)
    warnings: bool = True


class Config(Struct, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration. The keys are explained in the classes above and in `configs/`.

    Attributes:
        version: Version of this format.
        dir: Where runs live.
        run: Run id; None finds one (see `logflume.runs.identity.find_run_id`).
        when_claimed: What becomes of this process while another one writes the same run and rank:
            an `error`, or the `next_attempt` beside it, in files of its own.
        processors: The chain: names, `{name: options}`, or objects.
        sinks: The sinks by a name of your own.
        shutdown_timeout_s: The longest that the end of the process waits for the sinks.
        worker: Where events are processed and written: on a thread of this process, or in a
            process of its own, so that the training's Python need not wait for it.
    """

    version: Literal[1] = 1
    dir: str = "logs"
    run: str | None = None
    when_claimed: Literal["error", "next_attempt"] = "error"
    shutdown_timeout_s: Seconds = 10.0
    worker: Literal["thread", "process"] = "thread"
    buffer: BufferConfig = field(default_factory=BufferConfig)
    root: LoggerConfig = field(default_factory=LoggerConfig)
    loggers: dict[str, LoggerConfig] = field(default_factory=dict)
    processors: list[Any] = field(default_factory=list)
    sinks: dict[str, SinkConfig] = field(default_factory=dict)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    stdlib: StdlibConfig | None = None
