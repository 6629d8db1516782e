"""Test helpers: a sink that keeps events in memory, and a context manager that captures events."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from logflume.protocols import Event
from logflume.runs.identity import random_run_id
from logflume.runtime.lifecycle import flush, initialize, shutdown

__all__ = ["MemorySink", "capture_events"]


class MemorySink:
    """A sink that keeps its events in a list.

    Attributes:
        events: All events written, in order.
        is_closed: Whether `close` was called.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.is_closed = False

    def write(self, events: Sequence[Event]) -> None:
        """Keep the events."""
        self.events.extend(events)

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Record that the sink was closed."""
        self.is_closed = True


@contextmanager
def capture_events(*processors: Any, **config: Any) -> Iterator[list[Event]]:
    """Capture the events of a `with` block in a list; the working folder is not touched.

    Args:
        processors: The processor chain: names, `{name: options}` or callables.
        config: Additional keys of the configuration.

    Yields:
        The events of the block. The list is complete after the block; within the block, after
        `logflume.flush()`.

    Example:
        >>> with capture_events("tag_step") as events:
        ...     logflume.get_logger().info("checkpoint", path="a")
        >>> [event["event"] for event in events]
        ['run_started', 'checkpoint', 'run_finished', 'pipeline']
    """
    sink = MemorySink()
    with tempfile.TemporaryDirectory() as folder:
        # As keywords, because environment variables override the configuration but not these.
        initialize(
            {
                "root": {"level": "DEBUG", "sinks": ["memory"]},
                "processors": list(processors),
                "sinks": {"memory": sink},
                **config,
            },
            run=config.get("run") or random_run_id(),
            dir=config.get("dir", folder),
            level=config.get("root", {}).get("level", "DEBUG"),
        )
        try:
            yield sink.events
            flush()
        finally:
            shutdown()
