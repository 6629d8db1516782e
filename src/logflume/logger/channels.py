"""What all loggers of the process share: the buffer, the channels, the current step and mode."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from logflume.config.model import BufferConfig, Config, WhenFull
from logflume.events.reserved import LEVELS
from logflume.guard import call_guarded
from logflume.pipeline.buffer import Buffer
from logflume.pipeline.records import StepAndMode
from logflume.pipeline.router import find_by_prefix
from logflume.terminal.streams import print_line
from logflume.values.snapshot import key_text

__all__ = ["CHANNELS", "Channel", "Channels", "as_channel", "channel", "configure_channels"]

HELD_RECORDS = 10_000
"""Maximum number of records that are kept while no pipeline runs."""

HELD_BYTES = BufferConfig().max_bytes
"""Maximum memory of their texts and arrays."""

_NO_RUN = (
    "no run is open, so nothing is recorded: call logflume.initialize() before the training "
    f"(the first {HELD_RECORDS:,} events are kept for it)"
)

_METHODS = frozenset({*LEVELS, "exception", "log", "msg", "warn", "fatal"})


class Channel:
    """What all loggers of one name share.

    Attributes:
        name: Name of the loggers.
        level: Calls below this number return immediately.
    """

    __slots__ = ("level", "name")

    disabled = False

    def __init__(self, name: str, level: int) -> None:
        self.name = name
        self.level = level

    def getEffectiveLevel(self) -> int:  # noqa: N802 - named as in Python's logging
        """Return the level, for structlog's `filter_by_level`."""
        return self.level

    def __getattr__(self, name: str) -> Any:
        """Return a method that logs: structlog's other wrapper classes call those of the logger."""
        if name not in _METHODS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        from logflume.logger.logger import EventLogger

        return getattr(EventLogger(self, [], {}), name)

    def __repr__(self) -> str:
        return f"Channel({self.name!r})"

    def __reduce__(self) -> tuple[Callable[[str], Channel], tuple[str]]:
        return channel, (self.name,)


class Channels:
    """The process's channels and its one buffer, which outlives every pipeline.

    Attributes:
        buffer: Where log calls put their records. While no pipeline runs it holds the first
            `HELD_RECORDS` for the next one.
        is_held: Whether no pipeline runs.
        has_warned: Whether the warning that no run is open was printed.
        step_and_mode: Step and mode that calls are stamped with, from `set_step`.
        total_steps: Total number of steps, from `set_step`; None if unknown.
        caller_processors: structlog's list of processors, which run in the caller: the configured
            chain, or what `structlog.testing.capture_logs` puts there.
    """

    def __init__(self) -> None:
        self.buffer = Buffer(HELD_RECORDS, WhenFull.DROP_NEWEST, max_bytes=HELD_BYTES)
        self.has_warned = False
        self.step_and_mode: StepAndMode = (None, None)
        self.total_steps: int | None = None
        self.caller_processors: list[Any] = []
        self._channels: dict[str, Channel] = {}
        self._level_of: Callable[[str], int] = _every_level
        self._lock = threading.RLock()
        self.hold()

    def channel(self, name: Any) -> Channel:
        """Return the channel of this name, always the same one for a name."""
        name = key_text(name)
        channel = self._channels.get(name)
        if channel is not None:
            return channel
        with self._lock:
            return self._channels.setdefault(name, Channel(name, self._level_of(name)))

    def level_of(self, logger: str) -> int:
        """Return the number of the lowest level that a logger logs."""
        return self.channel(logger).level

    def set_levels(self, level_of: Callable[[str], int]) -> None:
        """Give all channels, existing and future, the level that `level_of(name)` returns."""
        with self._lock:
            self._level_of = level_of
            for channel in self._channels.values():
                channel.level = level_of(channel.name)

    def hold(self) -> None:
        """Keep what is logged in the buffer until a pipeline runs again."""
        self.is_held = True
        self.buffer.configure(
            HELD_RECORDS, WhenFull.DROP_NEWEST, 0.0, HELD_BYTES, lambda _count: self.warn_if_held()
        )
        self.set_levels(_every_level)

    def release(self, config: BufferConfig) -> None:
        """Let a pipeline take what is logged, and what was held."""
        self.is_held = self.has_warned = False
        self.buffer.configure(
            config.size, config.when_full, config.block_timeout_s, config.max_bytes
        )

    def warn_if_held(self) -> None:
        """Warn that no run is open, once until one is.

        Called when that is hardly intended: when a trainer reports, or when the buffer is full.
        """
        if self.is_held and not self.has_warned:
            self.has_warned = True
            print_line(_NO_RUN)

    def begin_in_child(self, starter: Callable[[], None]) -> None:
        """Release what belongs to the parent of this forked process.

        Args:
            starter: Called by the child's first log call.
        """
        self._lock = threading.RLock()  # another thread of the parent may have held it
        self.buffer.reset(starter)


def _every_level(_name: str) -> int:
    return 0


CHANNELS = Channels()


def channel(name: Any = "training", *_args: Any) -> Channel:
    """Return the process's channel of this name; this is structlog's logger factory."""
    return CHANNELS.channel(name)


def as_channel(logger: Any) -> Channel:
    """Return the channel of a logger of any library: that of its name, else `training`."""
    if type(logger) is Channel:
        return logger
    name = call_guarded(getattr, logger, "name", None)
    return channel(name if type(name) is str else "training")


def configure_channels(config: Config) -> None:
    """Give the process's buffer and loggers the configured limits and levels."""
    loggers = {"": config.root, **config.loggers}
    CHANNELS.set_levels(lambda name: LEVELS[find_by_prefix(loggers, name).level.lower()])
    CHANNELS.release(config.buffer)
