"""What the slowest calls of a paced training wait for: nothing. Their core has forgotten the code.

    python -m tests.benchmarks.cost.cold

At 1,000 calls a second beside a thread that keeps Python's lock, the caller sleeps until it gets
the lock, often for 5 ms. Its first call after that finds the caches cold. Each line is a call of
its own: two that log nothing, then the one with 22 numbers and all five sinks. The last figure is
in how many of the slowest hundredth the thread was switched off: to wait for a lock, or for another
process to have the core (POSIX).
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.cost.beside import busy
from tests.benchmarks.cost.figures import figures
from tests.benchmarks.cost.pace import make_calls
from tests.benchmarks.cost.work import prepare
from tests.benchmarks.peers.all_sinks import AllSinks

__all__ = ["main"]

RATE = 1_000.0
SECONDS = 20.0
CALLS = int(RATE * SECONDS)


class _HandingOn(AllSinks):
    """Hands the scalars on as keyword arguments, and logs nothing."""

    def step(self, step: int, scalars: dict[str, float]) -> None:
        """Pass them to a method that does nothing."""
        self._take("training", **scalars)

    def _take(self, event: str, /, **fields: Any) -> None:
        pass


def main() -> None:
    """Measure, and print the table."""
    peer = AllSinks()
    with tempfile.TemporaryDirectory() as folder:
        peer.open(Path(folder))
        calls: dict[str, Callable[[int], object]] = {
            "a sum of 200 numbers": lambda _: sum(range(200)),
            "keyword arguments of a method": prepare("scalars")(_HandingOn()),
            "bind and info": prepare("scalars")(peer),
        }
        for name, call in calls.items():
            print(f"{name:30} {_measure(call)}")
        peer.close()


def _measure(call: Callable[[int], object]) -> str:
    found: list[tuple[int, bool]] = []

    def timed(number: int) -> None:
        before, started_ns = _switches(), time.perf_counter_ns()
        call(number)
        took_ns = time.perf_counter_ns() - started_ns
        found.append((took_ns, _switches() > before))

    with busy("python"):
        make_calls(timed, rate=RATE, seconds=SECONDS, most=CALLS)
    told = figures([took_ns for took_ns, _ in found])
    times = "  ".join(f"{name} {told[f'{name}_us']:5.0f} µs" for name in ("p50", "p99", "p999"))
    slowest = sorted(found)[-len(found) // 100 :]
    return f"{times}  {sum(was for _, was in slowest)} of {len(slowest)} switched off"


def _switches() -> int:
    used = resource.getrusage(resource.RUSAGE_THREAD)
    return used.ru_nvcsw + used.ru_nivcsw


if __name__ == "__main__":
    main()
