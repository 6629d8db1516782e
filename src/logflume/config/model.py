"""The model of the configuration: the meaning, type and default of each key."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

__all__ = [
    "SINK_KEYS",
    "BufferConfig",
    "Config",
    "Level",
    "LoggerConfig",
    "MetricsConfig",
    "QueueConfig",
    "Ranks",
    "SinkConfig",
    "StdlibConfig",
    "WhenFull",
]


class WhenFull(StrEnum):
    """What happens to a new record when the buffer is full."""

    BLOCK = "block"
    """Wait for room for at most `block_timeout_s`, then drop the new record."""
    DROP_NEWEST = "drop_newest"
    """Drop the new record."""
    DROP_OLDEST = "drop_oldest"
    """Drop the oldest record to make room."""


Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

Count = Annotated[int, Meta(ge=1)]

LONGEST_WAIT_S = 86_400.0

Seconds = Annotated[float, Meta(gt=0, le=LONGEST_WAIT_S)]


class BufferConfig(Struct, kw_only=True, forbid_unknown_fields=True):
    """The buffer between the log calls and the worker.

    Attributes:
        size: Maximum number of events.
        max_bytes: Maximum memory of the texts and arrays in the buffer. An empty buffer accepts a
            record of any size.
        when_full: What a log call does when the buffer is full: wait (`block`) or drop.
        block_timeout_s: The longest that a log call waits, in seconds.
        flush_interval_s: Interval at which the worker empties the buffer, in seconds.
    """

    size: Count = 65_536
    max_bytes: Count = 256_000_000
    when_full: WhenFull = WhenFull.BLOCK
    block_timeout_s: Annotated[float, Meta(ge=0, le=LONGEST_WAIT_S)] = 1.0
    flush_interval_s: Seconds = 0.05


class LoggerConfig(Struct, kw_only=True, forbid_unknown_fields=True):
    """A logger: its level and its sinks.

    Attributes:
        level: Log calls below this level are ignored at almost no cost. Default: the root's level.
        sinks: Names of the sinks; None uses the root's sinks.
    """

    level: Level = "INFO"
    sinks: list[str] | None = None


class QueueConfig(Struct, kw_only=True, forbid_unknown_fields=True):
    """The queue of a sink that runs on a thread of its own.

    Attributes:
        size: Maximum number of events.
        when_full: What the worker does when the queue is full.
    """

    size: Count = 65_536
    when_full: WhenFull = WhenFull.BLOCK


class Ranks(StrEnum):
    """The ranks of a run that write a sink."""

    ALL = "all"
    """Every rank, each with files of its own."""
    NODE = "node"
    """The first rank of each machine."""
    FIRST = "first"
    """Rank 0."""


class SinkConfig(Struct, kw_only=True):
    """A sink.

    Attributes:
        type: Registered name of the sink's class.
        level: Minimum level of its events.
        events: Event types that it receives; None: all.
        ranks: The ranks that write this sink. The journal of every rank has everything.
        queue: If set, the sink runs on a thread of its own, even if its class isn't `threaded`.
        options: Options for its class.
        instance: The sink itself, if it was passed to `initialize()` as an object.
    """

    type: str
    level: Level = "DEBUG"
    events: list[str] | None = None
    ranks: Ranks = Ranks.ALL
    queue: QueueConfig | None = None
    options: dict[str, Any] = field(default_factory=dict)
    instance: Any = None


SINK_KEYS = ("type", "level", "events", "ranks", "queue")
"""The keys of a sink that are no options of its class."""


class MetricsConfig(Struct, kw_only=True, forbid_unknown_fields=True):
    """How often metrics are logged.

    Attributes:
        logging_frequency: Interval in steps; `aggregate_metrics` logs the means over it.
        validation_frequency: Interval in steps at which validation prompts are completed.
    """

    logging_frequency: Count = 1
    validation_frequency: Count = 250


class StdlibConfig(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which records of Python's own logging become `message` events.

    Attributes:
        level: Minimum level.
        loggers: Names of the loggers, including their children.
        warnings: Whether Python's warnings become events as well.
    """

    level: Level = "WARNING"
    loggers: list[str] = field(default_factory=list)
    warnings: bool = True


class Config(Struct, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration. The classes above are its sections.

    Attributes:
        version: Version of this format.
        dir: Folder of the runs.
        run: Run id; None: `LOGFLUME_RUN`, the launcher's job id, or a new one.
        when_claimed: What happens if another process is writing the same run and rank: `error`
            raises, `next_attempt` starts a concurrent attempt with files of its own.
        caller_processors: Processors that run in the thread that logs, before the snapshot of the
            call: names, `{name: options}`, or objects. Those of structlog that must see the caller
            run here even if they are listed in `processors`.
        processors: The processor chain: names, `{name: options}`, or objects.
        sinks: The sinks, by names of your choice.
        shutdown_timeout_s: The longest that the end of the process waits for the sinks, in seconds.
        worker: Where events are processed and written: on a thread of this process, or in a
            worker process, which doesn't compete with training for Python's lock.
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
    caller_processors: list[Any] = field(default_factory=list)
    processors: list[Any] = field(default_factory=list)
    sinks: dict[str, SinkConfig] = field(default_factory=dict)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    stdlib: StdlibConfig | None = None

    def used_sinks(self) -> list[str]:
        """Return the sinks that at least one logger uses, in the order of the configuration."""
        used = {
            name for logger in (self.root, *self.loggers.values()) for name in logger.sinks or ()
        }
        return [name for name in self.sinks if name in used]
