"""A training whose sinks are broken on purpose, beside a witness that remembers every event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import logflume
from logflume.testing import MemorySink
from tests.fake_sinks import wait_until
from tests.torture.busy import CONFIG, TYPES, text_of
from tests.torture.pulse import Pulse
from tests.torture.tally import Tally, Watch

__all__ = ["BUSY", "Rig", "training"]

BLOCK_TIMEOUT_S = 0.5
BUSY = CONFIG["sinks"]
"""All file sinks of a busy run."""


class Rig:
    """A running training.

    Args:
        tally: Where broken promises go.
        name: What is broken, for messages.
    """

    def __init__(self, tally: Tally, name: str) -> None:
        self.tally = tally
        self.name = name
        self.witness = MemorySink()
        self.logged = 0
        self._watch = Watch()

    def log(self, count: int) -> None:
        """Log so many numbers more."""
        log = logflume.get_logger()
        for number in range(self.logged, self.logged + count):
            with self._watch.call():
                log.info(TYPES[number % 2], step=number, number=number, text=text_of(number))
        self.logged += count

    def log_until(self, condition: Any, what: str, most: int = 20_000) -> None:
        """Log, and let the sinks have their turn, until a condition holds."""
        while not condition() and self.logged < most:
            self.log(50)
            logflume.flush(0.1)
        self.expect(True, bool(condition()), what)

    def wait_for(self, condition: Any, what: str) -> None:
        """Wait for a condition."""
        self.expect(True, wait_until(condition), what)

    def expect(self, expected: Any, actual: Any, what: str) -> None:
        """Note a broken promise unless the two are equal."""
        self.tally.expect(expected, actual, f"{self.name}: {what}")

    def statuses(self, component: str) -> list[str]:
        """Return what the pipeline has reported of a sink."""
        return [e["status"] for e in list(self.witness.events) if e.get("component") == component]

    def check(self, lateness_s: float) -> None:
        """Check what holds whatever breaks: quick calls, a whole witness, honest counts."""
        longest_s = self._watch.longest_s
        self.tally.longest_call_ms = max(self.tally.longest_call_ms, longest_s * 1e3)
        slow = longest_s > BLOCK_TIMEOUT_S + lateness_s + 0.2
        self.expect(False, slow, f"a call that takes too long ({longest_s:.2f} s)")
        numbers = [int(e["number"]) for e in self.witness.events if e["event"] in TYPES]
        self.expect(list(range(self.logged)), numbers, "what another sink has")
        self.tally.checked += len(numbers)
        self.tally.lost += len(set(range(self.logged)) - set(numbers))
        report = logflume.report()
        assert report is not None
        self.expect(0, report.dropped, "dropped by the buffer")
        for name, counts in report.sinks.items():
            whole = counts["written"] + counts["dropped"]
            self.expect(counts["accepted"], whole, f"{name} accepted = written + dropped")


@contextmanager
def training(
    tally: Tally, name: str, folder: Path, sinks: Mapping[str, Any], **config: Any
) -> Iterator[Rig]:
    """Log to `sinks` and a witness; when the block is done, check what always holds."""
    rig = Rig(tally, name)
    logflume.initialize(
        {
            "root": {"level": "INFO", "sinks": [*sinks, "witness"]},
            "sinks": {**sinks, "witness": rig.witness},
            "buffer": {"block_timeout_s": BLOCK_TIMEOUT_S, "flush_interval_s": 0.02},
            **config,
        },
        dir=folder,
        run="r",
    )
    with Pulse() as pulse:
        yield rig
        logflume.shutdown()
    tally.faults += 1
    rig.check(pulse.lateness_s)
