"""A benchmark of the slowest calls at a fixed rate: they wait for nothing, but find cold caches.

    python -m tests.benchmarks.cost.cold_caches

At 1,000 calls per second while another thread holds the GIL, the caller sleeps until it gets the
GIL, often for 5 ms. Its first call after that finds the CPU's caches cold. Each line is a different
call: two that log nothing, then the one with 22 numbers and all five sinks. The last figure counts
the calls, of the slowest 1%, during which the operating system switched the thread off, because it
waited for a lock or another process got the core (POSIX).
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.cost.background_load import background_load
from tests.benchmarks.cost.latency import latency_summary
from tests.benchmarks.cost.pace import make_calls
from tests.benchmarks.cost.workload import prepare
from tests.benchmarks.peers.all_sinks import AllSinks

__all__ = ["main"]

RATE = 1_000.0
SECONDS = 20.0
CALLS = int(RATE * SECONDS)


class _PassingArguments(AllSinks):
    """Passes the scalars as keyword arguments and logs nothing."""

    def log_scalars(self, step: int, scalars: dict[str, float]) -> None:
        """Pass them to a method that does nothing."""
        self._do_nothing("training", **scalars)

    def _do_nothing(self, event: str, /, **fields: Any) -> None:
        pass


def main() -> None:
    """Measure and print the table."""
    peer = AllSinks()
    with tempfile.TemporaryDirectory() as folder:
        peer.open(Path(folder))
        calls: dict[str, Callable[[int], object]] = {
            "sum of 200 numbers": lambda _: sum(range(200)),
            "passing keyword arguments": prepare("scalars")(_PassingArguments()),
            "bind and info": prepare("scalars")(peer),
        }
        for name, call in calls.items():
            print(f"{name:30} {_measure(call)}")
        peer.close()


def _measure(call: Callable[[int], object]) -> str:
    timings: list[tuple[int, bool]] = []

    def timed(number: int) -> None:
        before, started_ns = _switches(), time.perf_counter_ns()
        call(number)
        took_ns = time.perf_counter_ns() - started_ns
        timings.append((took_ns, _switches() > before))

    with background_load("python"):
        make_calls(timed, rate=RATE, seconds=SECONDS, max_calls=CALLS)
    summary = latency_summary([took_ns for took_ns, _ in timings])
    times = "  ".join(f"{name} {summary[f'{name}_us']:5.0f} µs" for name in ("p50", "p99", "p999"))
    slowest = sorted(timings)[-len(timings) // 100 :]
    return f"{times}  {sum(was for _, was in slowest)} of {len(slowest)} switched off"


def _switches() -> int:
    usage = resource.getrusage(resource.RUSAGE_THREAD)
    return usage.ru_nvcsw + usage.ru_nivcsw


if __name__ == "__main__":
    main()
