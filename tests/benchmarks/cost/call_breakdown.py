"""A benchmark of the parts of one log call with 22 numbers, relative to the baseline's call.

    python -m tests.benchmarks.cost.call_breakdown

Each line is the cost of one part in plain Python; the last line is the complete call, at full
speed, with no worker. Each figure is the median of the calls, from the best of nine rounds.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import logflume
from logflume.config.model import WhenFull
from logflume.logger.channels import CHANNELS
from logflume.values.snapshot import ATOMIC_TYPES
from tests.benchmarks.cost.pace import make_calls
from tests.benchmarks.cost.workload import prepare
from tests.benchmarks.peers.baseline import Baseline

__all__ = ["main"]

CALLS = 20_000
ROUNDS = 9


class _Parts:
    """Calls with a peer's signature, each of which does one part of logflume's work."""

    log = logflume.get_training_logger()

    def pass_arguments(self, _step: int, scalars: dict[str, float]) -> None:
        """Pass the scalars as keyword arguments to a method that does nothing."""
        self._do_nothing("training", **scalars)

    def check_types(self, _step: int, scalars: dict[str, float]) -> None:
        """Check whether one of the values is mutable."""
        ATOMIC_TYPES.issuperset(map(type, scalars.values()))

    def bind(self, step: int, _scalars: dict[str, float]) -> None:
        """Bind the step."""
        self.log.bind(step=step)

    def log_without_fields(self, _step: int, _scalars: dict[str, float]) -> None:
        """Log an event without fields: timestamp, level, record, buffer."""
        self.log.info("training")

    def log_event(self, step: int, scalars: dict[str, float]) -> None:
        """Log the event."""
        self.log.bind(step=step).info("training", **scalars)

    def _do_nothing(self, event: str, /, *args: Any, **fields: Any) -> None:
        pass


def main() -> None:
    """Measure and print the table."""
    CHANNELS.buffer.configure(2 * CALLS, WhenFull.DROP_NEWEST, 0.0)
    baseline, parts = Baseline(), _Parts()
    with tempfile.TemporaryDirectory() as folder:
        baseline.open(Path(folder))
        calls: dict[str, Callable[[int, dict[str, float]], None]] = {
            "baseline": baseline.log_scalars,
            "passing keyword arguments": parts.pass_arguments,
            "checking their types": parts.check_types,
            "bind": parts.bind,
            "call without fields": parts.log_without_fields,
            "bind and info": parts.log_event,
        }
        least_us = dict.fromkeys(calls, float("inf"))
        for _ in range(ROUNDS):
            for name, call in calls.items():
                least_us[name] = min(least_us[name], _median_us(call))
        baseline.close()
    for name, median_us in least_us.items():
        print(f"{name:30} {median_us / least_us['baseline']:5.2f} ×")


def _median_us(log_scalars: Callable[[int, dict[str, float]], None]) -> float:
    peer: Any = SimpleNamespace(log_scalars=log_scalars)
    call = prepare("scalars")(peer)
    took_ns = make_calls(call, rate=None, seconds=60, max_calls=CALLS)
    CHANNELS.buffer.take(2 * CALLS)
    return statistics.median(took_ns) / 1e3


if __name__ == "__main__":
    main()
