"""A benchmark of the CPU time of a step, by processor and sink: 22 numbers, and 3 × 64 rewards.

    python -m tests.benchmarks.cost.stages

Steps are logged at full speed, with everything on threads of one process, so that the CPU time of
the process covers all of it. Each line is a configuration of its own: the cost of a processor or a
sink is its line less `no processors, no sinks`. Each figure is the minimum of three rounds.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import logflume
from tests.benchmarks.cost.workload import prepare
from tests.benchmarks.peers.all_sinks import AllSinks, config

__all__ = ["main"]

STEPS = 10_000
ROUNDS = 3


def main() -> None:
    """Measure and print the table."""
    settings = config()
    sinks: list[str] = settings["root"]["sinks"]
    processors: list[Any] = settings["processors"]
    stages: dict[str, tuple[list[Any], list[str]]] = {
        "no processors, no sinks": ([], []),
        **{_name(processor): ([processor], []) for processor in processors},
        **{sink: ([], [sink]) for sink in sinks},
        "all processors": (processors, []),
        "all sinks": ([], sinks),
        "everything": (processors, sinks),
    }
    least_us = dict.fromkeys(stages, float("inf"))
    for _ in range(ROUNDS):
        for name, (stage_processors, stage_sinks) in stages.items():
            least_us[name] = min(least_us[name], _measure(stage_processors, stage_sinks))
    for name, cpu_us in least_us.items():
        print(f"{name:24} {cpu_us:6.1f} µs")


def _name(processor: Any) -> str:
    return processor if isinstance(processor, str) else str(next(iter(processor)))


def _measure(processors: list[Any], sinks: list[str]) -> float:
    """Return the CPU time per step in microseconds, with the final flush but without the close."""
    settings = config()
    settings |= {"worker": "thread", "processors": processors}
    settings["root"]["sinks"] = sinks
    peer = AllSinks()
    with tempfile.TemporaryDirectory() as folder:
        peer.open(Path(folder), settings)
        call = prepare("scalars")(peer)
        call(0)
        logflume.flush(60)
        started_s = time.process_time()
        for step in range(1, STEPS + 1):
            call(step)
        logflume.flush(60)
        duration_s = time.process_time() - started_s
        peer.close()
    return duration_s / STEPS * 1e6


if __name__ == "__main__":
    main()
