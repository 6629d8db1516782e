"""What every logger of the process shares: the buffer, the channels, the current step."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from logflume.config.model import Config, WhenFull
from logflume.events.reserved import LEVELS
from logflume.pipeline.buffer import Buffer
from logflume.pipeline.router import find_by_prefix

__all__ = ["CHANNELS", "Channel", "Channels", "channel", "configure_channels"]


def configure_channels(config: Config) -> None:
    """Give the process's buffer and loggers the configured size and levels."""
    loggers = {"": config.root, **config.loggers}
    CHANNELS.set_levels(lambda name: LEVELS[find_by_prefix(loggers, name).level.lower()])
    CHANNELS.buffer.configure(
        config.buffer.size, config.buffer.when_full, config.buffer.block_timeout_s
    )


HELD_RECORDS = 10_000
"""How many records are kept while no pipeline runs."""


class Channel:
    """A named logger's part of the configuration; all loggers of that name share it.

    Attributes:
        name: Name of the logger.
        level: Calls below this number return at once.
    """

    __slots__ = ("level", "name")

    def __init__(self, name: str, level: int) -> None:
        self.name = name
        self.level = level

    def __repr__(self) -> str:
        return f"Channel({self.name!r})"

    def __reduce__(self) -> tuple[Callable[[str], Channel], tuple[str]]:
        return channel, (self.name,)


class Channels:
    """The process's channels and its one buffer, which outlives every pipeline.

    Attributes:
        buffer: Where log calls put their records. While no pipeline runs it holds the
            first `HELD_RECORDS` for the next one.
        position: Step and mode that calls are stamped with, from `set_step`.
        caller_processors: structlog's own list of processors, empty unless somebody fills it
            (`structlog.testing.capture_logs` does); they run in the caller.
    """

    def __init__(self) -> None:
        self.buffer = Buffer(HELD_RECORDS, WhenFull.DROP_NEWEST)
        self.position: tuple[int | None, str | None] = (None, None)
        self.caller_processors: list[Any] = []
        self._channels: dict[str, Channel] = {}
        self._level_of: Callable[[str], int] = _every_level
        self._lock = threading.RLock()

    def channel(self, name: str) -> Channel:
        """Return the channel of this name, the same for the same name."""
        channel = self._channels.get(name)
        if channel is not None:
            return channel
        with self._lock:
            return self._channels.setdefault(name, Channel(name, self._level_of(name)))

    def level_of(self, logger: str) -> int:
        """Return the number of the lowest level that a logger logs."""
        return self.channel(logger).level

    def set_levels(self, level_of: Callable[[str], int]) -> None:
        """Give every channel, now and later, the level that `level_of(name)` returns."""
        with self._lock:
            self._level_of = level_of
            for channel in self._channels.values():
                channel.level = level_of(channel.name)

    def hold(self) -> None:
        """Let the buffer keep what comes until a pipeline runs again."""
        self.buffer.configure(HELD_RECORDS, WhenFull.DROP_NEWEST, 0.0)
        self.set_levels(_every_level)

    def begin_in_child(self, starter: Callable[[], None]) -> None:
        """Let go of what belongs to the parent of this forked process.

        Args:
            starter: Called by the child's first log call.
        """
        self._lock = threading.RLock()  # another thread of the parent may have held it
        self.buffer.reset(starter)


def _every_level(_name: str) -> int:
    return 0


CHANNELS = Channels()


def channel(name: str) -> Channel:
    """Return the process's channel of this name; this is structlog's logger factory."""
    return CHANNELS.channel(name)
