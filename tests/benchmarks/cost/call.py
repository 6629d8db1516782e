"""Where the time of a call with 22 numbers goes, in times of the floor's call.

    python -m tests.benchmarks.cost.call

Each line is what Python takes for that alone; the last is the whole call, at full speed, with
nobody behind the buffer. The median of the calls of the best of nine rounds counts.
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
from tests.benchmarks.cost.work import prepare
from tests.benchmarks.peers.floor import Floor

__all__ = ["main"]

CALLS = 20_000
ROUNDS = 9


class _Parts:
    """Takes the scalars as a peer does, and does a part of what logflume does with them."""

    log = logflume.get_training_logger()

    def passing_on(self, _step: int, scalars: dict[str, float]) -> None:
        """Pass them as keyword arguments to a method that does nothing."""
        self._nothing("training", **scalars)

    def looking(self, _step: int, scalars: dict[str, float]) -> None:
        """Look whether one of them is mutable."""
        ATOMIC_TYPES.issuperset(map(type, scalars.values()))

    def binding(self, step: int, _scalars: dict[str, float]) -> None:
        """Bind the step."""
        self.log.bind(step=step)

    def without_fields(self, _step: int, _scalars: dict[str, float]) -> None:
        """Log an event without fields: time stamp, level, record, buffer."""
        self.log.info("training")

    def whole(self, step: int, scalars: dict[str, float]) -> None:
        """Log the event."""
        self.log.bind(step=step).info("training", **scalars)

    def _nothing(self, event: str, /, *args: Any, **fields: Any) -> None:
        pass


def main() -> None:
    """Measure, and print the table."""
    CHANNELS.buffer.configure(2 * CALLS, WhenFull.DROP_NEWEST, 0.0)
    floor, parts = Floor(), _Parts()
    with tempfile.TemporaryDirectory() as folder:
        floor.open(Path(folder))
        calls: dict[str, Callable[[int, dict[str, float]], None]] = {
            "the floor": floor.step,
            "keyword arguments of a method": parts.passing_on,
            "a look at their types": parts.looking,
            "bind": parts.binding,
            "a call without fields": parts.without_fields,
            "bind and info": parts.whole,
        }
        least_us = dict.fromkeys(calls, float("inf"))
        for _ in range(ROUNDS):
            for name, call in calls.items():
                least_us[name] = min(least_us[name], _median_us(call))
        floor.close()
    for name, median_us in least_us.items():
        print(f"{name:30} {median_us / least_us['the floor']:5.2f} ×")


def _median_us(step: Callable[[int, dict[str, float]], None]) -> float:
    peer: Any = SimpleNamespace(step=step)
    call = prepare("scalars")(peer)
    took_ns = make_calls(call, rate=None, seconds=60, most=CALLS)
    CHANNELS.buffer.take(2 * CALLS)
    return statistics.median(took_ns) / 1e3


if __name__ == "__main__":
    main()
