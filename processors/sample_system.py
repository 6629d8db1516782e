"""Logs a `system` event at a fixed interval: memory, CPU, disk and network."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

from logflume.protocols import EventDict
from logflume.resources import system_usage
from logflume.runs.info import RunInfo

from ._ticker import Ticker

__all__ = ["SampleSystem"]


class SampleSystem:
    """A processor that logs the resource usage of the process and its machine.

    A thread named `logflume-system` logs an event of type `system` every `interval_s` through the
    logger `system`, the first one after one interval. Its fields are those of
    `logflume.events.catalogue.System`; values that the platform doesn't provide are left out. All
    events pass unchanged.

    Args:
        interval_s: Time between two events, in seconds; the CPU percentages refer to this period.
        run: The run. `disk_free_bytes` is that of the disk with the run's folder; without a run, of
            the disk with the working folder.

    Raises:
        ValueError: `interval_s` is not above 0.
    """

    detachable = True
    event_types: frozenset[str] = frozenset()

    def __init__(self, *, interval_s: float = 10.0, run: RunInfo | None = None) -> None:
        folder = Path() if run is None else run.folder
        self._ticker = Ticker(_log_usage(folder), interval_s=interval_s, name="system")

    def __call__(self, logger: Any, method_name: str, event_dict: EventDict) -> EventDict:  # noqa: ARG002
        """Return the event unchanged."""
        return event_dict

    def close(self) -> Iterable[EventDict]:
        """Stop sampling. No events are held back."""
        self._ticker.stop()
        return ()


def _log_usage(folder: Path) -> Generator[None, None, None]:
    system_usage(folder)  # starts the period of the first CPU percentages
    yield
    from logflume import get_logger

    log = get_logger("system")
    while True:
        log.info("system", **system_usage(folder))
        yield
