"""Where the CPU of an event of 22 numbers goes, stage by stage.

    python -m tests.benchmarks.cost.stages

The events are logged at full speed, with everything on threads of one process, so that its CPU
time is all there is. Each line is a configuration of its own: what a processor or a sink costs is
its line less `no processors, no sinks`. The least of three rounds counts.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import logflume
from tests.benchmarks.cost.work import prepare
from tests.benchmarks.peers.all_sinks import AllSinks, config

__all__ = ["main"]

EVENTS = 20_000
ROUNDS = 3


def main() -> None:
    """Measure, and print the table."""
    whole = config()
    sinks: list[str] = whole["root"]["sinks"]
    processors: list[Any] = whole["processors"]
    stages: dict[str, tuple[list[Any], list[str]]] = {
        "no processors, no sinks": ([], []),
        **{_name(one): ([one], []) for one in processors},
        **{sink: ([], [sink]) for sink in sinks},
        "all processors": (processors, []),
        "all sinks": ([], sinks),
        "everything": (processors, sinks),
    }
    least_us = dict.fromkeys(stages, float("inf"))
    for _ in range(ROUNDS):
        for name, (chain, targets) in stages.items():
            least_us[name] = min(least_us[name], _measure(chain, targets))
    for name, cpu_us in least_us.items():
        print(f"{name:24} {cpu_us:6.1f} µs")


def _name(processor: Any) -> str:
    return processor if isinstance(processor, str) else str(next(iter(processor)))


def _measure(processors: list[Any], sinks: list[str]) -> float:
    """Return the CPU time of an event, in microseconds, flushed but not closed."""
    whole = config()
    whole |= {"worker": "thread", "processors": processors}
    whole["root"]["sinks"] = sinks
    peer = AllSinks()
    with tempfile.TemporaryDirectory() as folder:
        peer.open(Path(folder), whole)
        call = prepare("scalars")(peer)
        call(0)
        logflume.flush(60)
        started_s = time.process_time()
        for step in range(1, EVENTS + 1):
            call(step)
        logflume.flush(60)
        taken_s = time.process_time() - started_s
        peer.close()
    return taken_s / EVENTS * 1e6


if __name__ == "__main__":
    main()
