"""A benchmark of the journal's option `fsync_interval_s`.

    python -m tests.benchmarks.fsync_cost [FOLDER]

FOLDER is on the disk to measure, by default the current one. For each interval a run logs 20,000
events a second for five seconds. Printed are the time of a log call in the training, the share of
its time that the thread of the journal spends in `fsync`, and the slowest `fsync`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import logflume

DURATION_S = 5.0
BATCH = 200
PACE_S = 0.01
INTERVALS = (None, 1.0, 0.1, 0.05)


def main() -> None:
    """Print one line for each interval."""
    print(f"{'fsync_interval_s':>16} {'ns per call':>11} {'fsync calls':>11} {'share':>6} slowest")
    for interval_s in INTERVALS:
        with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else ".") as folder:
            _measure(folder, interval_s)


def _measure(folder: str, interval_s: float | None) -> None:
    fsync_s: list[float] = []
    journal = {"path": "{dir}/{run}/events.jsonl", "fsync_interval_s": interval_s}
    with patch.object(os, "fsync", _timed(os.fsync, fsync_s)):
        logflume.initialize(
            {"root": {"sinks": ["jsonl"]}, "sinks": {"jsonl": journal}, "worker": "thread"},
            dir=folder,
        )
        calls, call_s = _log()
        if not logflume.shutdown():
            sys.exit("the journal is not complete")
    share = sum(fsync_s) / DURATION_S
    slowest_ms = 1e3 * max(fsync_s, default=0.0)
    print(
        f"{interval_s or 'off':>16} {1e9 * call_s / calls:>11.0f} {len(fsync_s):>11} "
        f"{share:>6.1%} {slowest_ms:.1f} ms"
    )


def _log() -> tuple[int, float]:
    log = logflume.get_training_logger()
    calls, call_s = 0, 0.0
    until_s = time.monotonic() + DURATION_S
    while time.monotonic() < until_s:
        started_s = time.perf_counter()
        for _ in range(BATCH):
            log.info("training", loss=0.5, reward=1.25, learning_rate=5e-6)
        call_s += time.perf_counter() - started_s
        calls += BATCH
        time.sleep(PACE_S)
    return calls, call_s


def _timed(call: Callable[[Any], None], durations_s: list[float]) -> Callable[[Any], None]:
    def timed(descriptor: Any) -> None:
        started_s = time.perf_counter()
        call(descriptor)
        durations_s.append(time.perf_counter() - started_s)

    return timed


if __name__ == "__main__":
    main()
