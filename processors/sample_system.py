"""Log a `system` event every few seconds: memory, CPU, disk and network."""

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
    """Logs what the process and its machine use; passes every event on as it is.

    A thread of its own, `logflume-system`, logs an event of type `system` every `interval_s`
    through the logger `system`, the first after one interval. Its fields are those of
    `logflume.events.System`; what the platform doesn't tell is left out.

    Args:
        interval_s: Time between two events, in seconds; the CPU percentages are over this time.
        run: The run, whose folder says on which disk the free room is measured; without it the
            working folder does.

    Raises:
        ValueError: `interval_s` is not above 0.
    """

    detachable = True
    event_types: frozenset[str] = frozenset()

    def __init__(self, *, interval_s: float = 10.0, run: RunInfo | None = None) -> None:
        folder = Path() if run is None else run.folder
        self._ticker = Ticker(_log_usage(folder), interval_s=interval_s, name="logflume-system")

    def __call__(self, logger: Any, method_name: str, event_dict: EventDict) -> EventDict:  # noqa: ARG002
        """Return the event unchanged."""
        return event_dict

    def close(self) -> Iterable[EventDict]:
        """End the sampling. Nothing was held back."""
        self._ticker.stop()
        return ()


def _log_usage(folder: Path) -> Generator[None, None, None]:
    system_usage(folder)  # the CPU percentages count from here
    yield
    from logflume import get_logger

    log = get_logger("system")
    while True:
        log.info("system", **system_usage(folder))
        yield
