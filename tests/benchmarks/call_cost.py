"""What one log call of 22 numbers costs the caller, beside two others, in one run.

    python tests/benchmarks/call_cost.py

The floor is `orjson.dumps` into a buffered file: what nobody who writes JSON can go below. The
calls are paced at 1,000 a second, as a training loop would make them, and alternate. Only the
ratios mean something on another machine.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import structlog

import logflume

METRICS = {f"metric_{number}": number / 7 for number in range(22)}
ROUNDS = 3_000
PAUSE_S = 0.001


def main() -> None:
    """Measure and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(__file__).parents[2] / "configs" / "default.yaml"
        logflume.initialize(str(config), dir=folder, level="INFO")
        with Path(folder, "floor").open("wb") as floor, Path(folder, "sync").open("wb") as sync:
            times = measure(
                {
                    "orjson into a file (the floor)": _floor_call(floor.write),
                    "structlog, JSON into a file": _structlog_call(sync),
                    "logflume, default configuration": _logflume_call(),
                }
            )
        logflume.shutdown()
    floor_s = statistics.median(next(iter(times.values())))
    print(f"{'':32} {'median':>9} {'99 %':>9} {'of floor':>9}")
    for name, seconds in times.items():
        median_s, tail_s = statistics.median(seconds), statistics.quantiles(seconds, n=100)[98]
        ratio = median_s / floor_s
        print(f"{name:32} {median_s * 1e6:6.1f} µs {tail_s * 1e6:6.1f} µs {ratio:8.1f} x")


def measure(calls: dict[str, Callable[[int], object]]) -> dict[str, list[float]]:
    """Return the seconds of each call, round by round, the calls in turn."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for step in range(ROUNDS):
        for name, call in calls.items():
            started_s = time.perf_counter()
            call(step)
            times[name].append(time.perf_counter() - started_s)
        time.sleep(PAUSE_S)
    return times


def _floor_call(write: Callable[[bytes], object]) -> Callable[[int], object]:
    return lambda step: write(orjson.dumps({"event": "training", "step": step, **METRICS}))


def _structlog_call(file: object) -> Callable[[int], object]:
    log = structlog.wrap_logger(
        structlog.BytesLogger(file),  # type: ignore[arg-type]
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(0),
    )
    return lambda step: log.bind(step=step).info("training", **METRICS)


def _logflume_call() -> Callable[[int], object]:
    # Goes to the text log, JSONL, Parquet and TensorBoard; the console would hide the table.
    log = logflume.get_metrics_logger()
    return lambda step: log.bind(step=step).info("training", **METRICS)


if __name__ == "__main__":
    main()
