"""A training with faulty sinks and a reference sink that keeps every event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import logflume
from logflume.testing import MemorySink
from tests.fake_sinks import wait_until
from tests.torture.busy_run import CONFIG, TYPES, text_for
from tests.torture.delay_monitor import DelayMonitor
from tests.torture.scenario_result import CallTimer, ScenarioResult

__all__ = ["FILE_SINKS", "Harness", "training"]

BLOCK_TIMEOUT_S = 0.5
FILE_SINKS = CONFIG["sinks"]
"""All file sinks of a busy run, by name."""


class Harness:
    """A training in progress.

    Args:
        result: Where counts and violations go.
        name: The injected fault, for messages.

    Attributes:
        reference: The reference sink.
        logged: How many events were logged.
    """

    def __init__(self, result: ScenarioResult, name: str) -> None:
        self.result = result
        self.name = name
        self.reference = MemorySink()
        self.logged = 0
        self._timer = CallTimer()

    def log(self, count: int) -> None:
        """Log the next `count` numbers."""
        log = logflume.get_logger()
        for number in range(self.logged, self.logged + count):
            with self._timer.time_call():
                log.info(TYPES[number % 2], step=number, number=number, text=text_for(number))
        self.logged += count

    def log_until(self, condition: Any, what: str, max_events: int = 20_000) -> None:
        """Log and flush until a condition holds; add a violation if it doesn't."""
        while not condition() and self.logged < max_events:
            self.log(50)
            logflume.flush(0.1)
        self.expect(True, bool(condition()), what)

    def wait_for(self, condition: Any, what: str) -> None:
        """Wait for a condition; add a violation if it doesn't hold within the deadline."""
        self.expect(True, wait_until(condition), what)

    def expect(self, expected: Any, actual: Any, what: str) -> None:
        """Add a violation unless the two are equal."""
        self.result.expect(expected, actual, f"{self.name}: {what}")

    def statuses(self, component: str) -> list[str]:
        """Return the statuses that the pipeline has reported for a sink, in order."""
        return [e["status"] for e in list(self.reference.events) if e.get("component") == component]

    def check(self, max_delay_s: float) -> None:
        """Check what holds under any fault: short calls, a complete reference, exact counts."""
        longest_s = self._timer.longest_s
        self.result.longest_call_ms = max(self.result.longest_call_ms, longest_s * 1e3)
        slow = longest_s > BLOCK_TIMEOUT_S + max_delay_s + 0.2
        self.expect(False, slow, f"a call takes too long ({longest_s:.2f} s)")
        numbers = [int(e["number"]) for e in self.reference.events if e["event"] in TYPES]
        self.expect(list(range(self.logged)), numbers, "events of the reference sink")
        self.result.checked += len(numbers)
        self.result.lost += len(set(range(self.logged)) - set(numbers))
        report = logflume.report()
        assert report is not None
        self.expect(0, report.dropped, "dropped by the buffer")
        for name, counts in report.sinks.items():
            total = counts["written"] + counts["dropped"]
            self.expect(counts["accepted"], total, f"{name}: accepted = written + dropped")


@contextmanager
def training(
    result: ScenarioResult, name: str, folder: Path, sinks: Mapping[str, Any], **config: Any
) -> Iterator[Harness]:
    """Log to `sinks` and to a reference sink within the block, then check what always holds.

    Args:
        result: Where counts and violations go.
        name: The injected fault, for messages.
        folder: Where the run is.
        sinks: The sinks by name.
        config: More of the configuration.
    """
    harness = Harness(result, name)
    logflume.initialize(
        {
            "root": {"level": "INFO", "sinks": [*sinks, "reference"]},
            "sinks": {**sinks, "reference": harness.reference},
            "buffer": {"block_timeout_s": BLOCK_TIMEOUT_S, "flush_interval_s": 0.02},
            **config,
        },
        dir=folder,
        run="r",
    )
    with DelayMonitor() as monitor:
        yield harness
        logflume.shutdown()
    result.faults += 1
    harness.check(monitor.max_delay_s)
