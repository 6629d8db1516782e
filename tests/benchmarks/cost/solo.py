"""A program that runs one benchmark of logflume alone.

    python -m tests.benchmarks.cost.solo BENCHMARK AMOUNT FOLDER RESULT

| benchmark | amount | result |
|---|---|---|
| `worst` | minutes | the slowest step at 1,000/s, and the baseline's in the same period |
| `filtered` | calls | nanoseconds per call below the level, without fields |
| `sustained` | events | events/s through all five sinks on one core, and dropped events |
| `memory` | events | bytes, with children, above an idle process, at 2,000 events/s |
| `overload` | events | the same, at the highest rate that the full buffer admits |
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

import logflume
from tests.benchmarks.cost.latency import latency_summary
from tests.benchmarks.cost.measurement import Measurement
from tests.benchmarks.cost.pace import WARM_UP, make_calls
from tests.benchmarks.cost.workload import prepare
from tests.benchmarks.peers.all_sinks import EVENTS_PER_STEP, AllSinks
from tests.benchmarks.peers.peer_list import BASELINE

__all__ = ["SOLO_BENCHMARKS"]

_RATE = 1_000.0
_STEADY_RATE = 2_000.0
_SAMPLES = 200
_TIMEOUT_S = 600.0


def worst(minutes: float, folder: Path) -> dict[str, Any]:
    """Return the latencies of calls over some minutes, and the baseline's in the same period."""
    call, close = _start(folder)
    measurement = Measurement(rate=_RATE, seconds=minutes * 60, max_calls=sys.maxsize)
    baseline_folder, result = folder / "baseline", folder / "baseline.json"
    baseline_folder.mkdir()
    program = [sys.executable, "-m", "tests.benchmarks.cost.measure_peer"]
    arguments = [BASELINE, measurement.to_json(), str(baseline_folder), str(result)]
    with subprocess.Popen([*program, *arguments]) as baseline:
        took_ns = make_calls(
            call, rate=_RATE, seconds=measurement.seconds, max_calls=measurement.max_calls
        )
        baseline.wait(_TIMEOUT_S)
    close()
    baseline_ns = json.loads(result.read_text())["took_ns"]
    result_ns = latency_summary(took_ns)
    return {"minutes": minutes, **result_ns, "baseline": latency_summary(baseline_ns)}


def filtered(calls: int, folder: Path) -> dict[str, Any]:
    """Return the cost of a debug call when the level is info, less that of an empty call."""
    _, close = _start(folder)
    debug = logflume.get_training_logger().debug
    call_s = min(timeit.repeat(lambda: debug("step"), number=calls, repeat=5))
    empty_s = min(timeit.repeat(lambda: None, number=calls, repeat=5))
    close()
    return {"ns": (call_s - empty_s) / calls * 1e9}


def sustained(events: int, folder: Path) -> dict[str, Any]:
    """Return the rate on one core, from the first call until every sink has the last event."""
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    call, close = _start(folder)
    started_s = time.perf_counter()
    for number in range(events // EVENTS_PER_STEP):
        call(number)
    logflume.flush(_TIMEOUT_S)
    duration_s = time.perf_counter() - started_s
    close()
    report = logflume.report()
    assert report is not None
    dropped = report.dropped + sum(sink["dropped"] for sink in report.sinks.values())
    return {"events_per_s": events / duration_s, "dropped": dropped}


def memory(events: int, folder: Path) -> dict[str, Any]:
    """Return the memory while events are logged at half the rate that the sinks can sustain."""
    return _memory(events, folder, _STEADY_RATE)


def overload(events: int, folder: Path) -> dict[str, Any]:
    """Return the memory while events are logged at the highest rate that the full buffer admits."""
    return _memory(events, folder, None)


def _memory(events: int, folder: Path, rate: float | None) -> dict[str, Any]:
    idle_bytes = _idle_bytes()
    call, close = _start(folder)
    steps = events // EVENTS_PER_STEP
    process, interval, samples = psutil.Process(), max(1, steps // _SAMPLES), []

    started_s = time.perf_counter()
    for number in range(steps):
        call(number)
        if number % interval == 0:
            samples.append(_used_bytes(process) - idle_bytes)
        ahead_s = (
            0.0
            if rate is None
            else started_s + number * EVENTS_PER_STEP / rate - time.perf_counter()
        )
        if ahead_s > 0.01:
            time.sleep(ahead_s)
    close()
    tenth = max(1, len(samples) // 10)
    return {
        "first_tenth_bytes": statistics.fmean(samples[:tenth]),
        "last_tenth_bytes": statistics.fmean(samples[-tenth:]),
        "peak_bytes": max(samples),
        "events": events,
        "rate": rate,
    }


def _start(folder: Path) -> tuple[Callable[[int], None], Callable[[], None]]:
    """Start a run, make the warm-up calls, and return the functions to log a step and to close."""
    call_of = prepare("scalars")
    peer = AllSinks()
    peer.open(folder)
    call = call_of(peer)
    for number in range(WARM_UP):
        call(number)
    peer.flush()
    return lambda number: call(WARM_UP + number), peer.close


def _used_bytes(process: psutil.Process) -> int:
    """Return the memory of a process and its descendants; shared pages count once."""
    family = [process, *process.children(recursive=True)]
    return sum(_proportional_bytes(member) for member in family)


def _proportional_bytes(process: psutil.Process) -> int:
    # The proportional set size exists on Linux only; elsewhere shared pages are left out.
    used = process.memory_full_info()
    return int(getattr(used, "pss", used.uss))


def _idle_bytes() -> int:
    """Return the memory of an idle Python process."""
    program = "input()"
    with psutil.Popen([sys.executable, "-c", program], stdin=-1) as idle:
        time.sleep(0.5)
        used_bytes = _proportional_bytes(idle)
        idle.communicate(b"\n")
    return used_bytes


SOLO_BENCHMARKS: dict[str, Callable[[Any, Path], dict[str, Any]]] = {
    "worst": worst,
    "filtered": filtered,
    "sustained": sustained,
    "memory": memory,
    "overload": overload,
}


def main() -> None:
    """Run one benchmark and write its result."""
    benchmark, amount, folder, path = sys.argv[1:]
    result = SOLO_BENCHMARKS[benchmark](json.loads(amount), Path(folder))
    Path(path).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
