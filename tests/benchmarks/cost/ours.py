"""What only logflume is asked.

    python -m tests.benchmarks.cost.ours QUESTION AMOUNT FOLDER RESULT

| question | amount | what is found |
|---|---|---|
| `worst` | minutes | the worst call, paced at 1,000/s, and the floor's at the same time |
| `filtered` | calls | nanoseconds of a call below the level, without fields |
| `sustained` | events | events/s through all five sinks on one core, with what was dropped |
| `memory` | events | bytes, of children too, above an idle process, at 5,000 events/s |
| `overload` | events | the same as fast as the full buffer lets them in |
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
from tests.benchmarks.cost.figures import figures
from tests.benchmarks.cost.measurement import Measurement
from tests.benchmarks.cost.pace import WARM_UP, make_calls
from tests.benchmarks.cost.work import prepare
from tests.benchmarks.peers.all_sinks import AllSinks
from tests.benchmarks.peers.catalogue import FLOOR

__all__ = ["QUESTIONS"]

_RATE = 1_000.0
_STEADY_RATE = 5_000.0
_SAMPLES = 200
_PATIENCE_S = 600.0


def worst(minutes: float, folder: Path) -> dict[str, Any]:
    """Return the figures of the calls of some minutes, and of the floor's at the same time."""
    call, close = _start(folder)
    what = Measurement(rate=_RATE, seconds=minutes * 60, most=sys.maxsize)
    beside, result = folder / "floor", folder / "floor.json"
    beside.mkdir()
    one = [sys.executable, "-m", "tests.benchmarks.cost.one", FLOOR, what.to_json()]
    with subprocess.Popen([*one, str(beside), str(result)]) as floor:
        took_ns = make_calls(call, rate=_RATE, seconds=what.seconds, most=what.most)
        floor.wait(_PATIENCE_S)
    close()
    return {**figures(took_ns), "floor": figures(json.loads(result.read_text())["took_ns"])}


def filtered(calls: int, folder: Path) -> dict[str, Any]:
    """Return what a call at debug level costs where info is logged; the loop is included."""
    _, close = _start(folder)
    debug = logflume.get_training_logger().debug
    taken_s = min(timeit.repeat(lambda: debug("step"), number=calls, repeat=5))
    empty_s = min(timeit.repeat(lambda: None, number=calls, repeat=5))
    close()
    return {"ns": (taken_s - empty_s) / calls * 1e9}


def sustained(events: int, folder: Path) -> dict[str, Any]:
    """Return the rate from the first call until the last event is in every sink, on one core."""
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    call, close = _start(folder)
    started_s = time.perf_counter()
    for number in range(events):
        call(number)
    logflume.flush(_PATIENCE_S)
    taken_s = time.perf_counter() - started_s
    close()
    report = logflume.report()
    assert report is not None
    dropped = report.dropped + sum(sink["dropped"] for sink in report.sinks.values())
    return {"events_per_s": events / taken_s, "dropped": dropped}


def memory(events: int, folder: Path) -> dict[str, Any]:
    """Return the memory while events are logged half as fast as the sinks can write them."""
    return _memory(events, folder, _STEADY_RATE)


def overload(events: int, folder: Path) -> dict[str, Any]:
    """Return the memory while events are logged as fast as the full buffer lets them."""
    return _memory(events, folder, None)


def _memory(events: int, folder: Path, rate: float | None) -> dict[str, Any]:
    idle_bytes = _idle_bytes()
    call, close = _start(folder)
    process, every, samples = psutil.Process(), max(1, events // _SAMPLES), []

    started_s = time.perf_counter()
    for number in range(events):
        call(number)
        if number % every == 0:
            samples.append(_used_bytes(process) - idle_bytes)
        ahead_s = 0.0 if rate is None else started_s + number / rate - time.perf_counter()
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
    call_of = prepare("scalars")
    peer = AllSinks()
    peer.open(folder)
    call = call_of(peer)
    for number in range(WARM_UP):
        call(number)
    peer.sanitize()
    return lambda number: call(WARM_UP + number), peer.close


def _used_bytes(process: psutil.Process) -> int:
    """Return the memory of a process and its children; what several share counts once."""
    family = [process, *process.children(recursive=True)]
    return sum(_share_bytes(one) for one in family)


def _share_bytes(process: psutil.Process) -> int:
    # Linux alone knows the share of each in a page.
    used = process.memory_full_info()
    return int(getattr(used, "pss", used.uss))


def _idle_bytes() -> int:
    """Return the memory of a Python process that does nothing."""
    program = "input()"
    with psutil.Popen([sys.executable, "-c", program], stdin=-1) as idle:
        time.sleep(0.5)
        used_bytes = _share_bytes(idle)
        idle.communicate(b"\n")
    return used_bytes


QUESTIONS: dict[str, Callable[[Any, Path], dict[str, Any]]] = {
    "worst": worst,
    "filtered": filtered,
    "sustained": sustained,
    "memory": memory,
    "overload": overload,
}


def main() -> None:
    """Ask one question, and write what was found."""
    question, amount, folder, result = sys.argv[1:]
    found = QUESTIONS[question](json.loads(amount), Path(folder))
    Path(result).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
