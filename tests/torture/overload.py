"""The scenario `overload`: producers faster than the sinks; every dropped event is counted."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import logflume
from logflume import open_run
from logflume.config.model import WhenFull
from logflume.protocols import Event
from tests.torture.delay_monitor import DelayMonitor
from tests.torture.scenario_result import CallTimer, ScenarioResult

__all__ = ["overload"]

THREADS = (1, 4, 16)
BLOCK_TIMEOUT_S = 0.05
MAX_OVERTAKES = 20
"""How often, at worst, all other threads get the GIL before a waiting thread does."""

MIN_SECONDS = 0.3
MAX_CALLS = 20_000
STALL_S = {WhenFull.BLOCK: 2.0, WhenFull.DROP_NEWEST: 0.3, WhenFull.DROP_OLDEST: 0.3}
"""How long the worker stalls at times: longer than any call may wait."""

STALL_EVERY = 100
"""Batches from one stall to the next."""


class SlowSink:
    """Takes 2 ms for a batch, and stalls for `stall_s` at regular intervals."""

    def __init__(self, stall_s: float = 0.0) -> None:
        self._stall_s = stall_s
        self._pause = threading.Event()
        self._batches = 0

    def write(self, events: Sequence[Event]) -> None:
        """Discard the events after the delay."""
        self._batches += 1
        self._pause.wait(self._stall_s if self._batches % STALL_EVERY == 5 else 0.002)

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def overload(result: ScenarioResult, random: Random, until_s: float, folder: Path) -> None:
    """Flood a small buffer from 1, 4 and 16 threads, with each policy."""
    floods = list(itertools.product(WhenFull, THREADS))
    random.shuffle(floods)
    slice_s = max(MIN_SECONDS, (until_s - time.monotonic()) / len(floods))
    for when_full, threads in floods:
        _flood(result, when_full, threads, slice_s, folder / f"{when_full}-{threads}")


def _flood(
    result: ScenarioResult, when_full: WhenFull, threads: int, seconds: float, folder: Path
) -> None:
    logflume.initialize(_config(when_full), dir=folder, run="r")
    with DelayMonitor() as monitor:
        timers = _log_from(threads, time.monotonic() + seconds)
    done = logflume.shutdown(60.0)
    where = f"overload, {when_full}, {threads} threads"
    result.require(done, f"{where}: shutdown() timed out")
    slack_s = _slack_s(threads, monitor.max_delay_s)
    longest_s = max(timer.longest_s for timer in timers)
    result.longest_call_ms = max(result.longest_call_ms, longest_s * 1e3)
    result.require(
        longest_s <= BLOCK_TIMEOUT_S + slack_s,
        f"{where}: a call took {longest_s:.3f} s, with a slack of {slack_s:.3f} s",
    )
    _check_counts(result, where, sum(timer.calls for timer in timers))
    _check_gaps(
        result,
        where,
        [timer.calls for timer in timers],
        list(open_run(folder / "r", attempts="all")),
    )


def _slack_s(threads: int, max_delay_s: float) -> float:
    """Return by how much a call may exceed its bound for reasons outside of logflume.

    When a thread's timeout expires, the operating system wakes it up to `max_delay_s` late. The
    thread then waits for the GIL together with every other producer, the worker, the slow sink and
    the monitor, each of which may hold it for a switch interval, or longer where other programs
    compete for the CPU. The GIL isn't fair: a thread may be overtaken many times (16 threads that
    only append to a list see such waits, too).
    """
    load = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    return MAX_OVERTAKES * (threads + 3) * sys.getswitchinterval() * load + max_delay_s + 0.1


def _config(when_full: WhenFull) -> dict[str, Any]:
    slow = f"{__name__}:SlowSink"
    queue = {"size": 256, "when_full": when_full.value}
    return {
        "root": {"level": "INFO", "sinks": ["jsonl", "slow", "stalling"]},
        "buffer": {
            "size": 256,
            "when_full": when_full.value,
            "block_timeout_s": BLOCK_TIMEOUT_S,
            "flush_interval_s": 0.02,
        },
        "sinks": {
            "jsonl": {"path": "{dir}/{run}/events.jsonl", "rotate_bytes": 1_000_000},
            "slow": {"type": slow, "queue": queue},
            # Without a queue of its own it stalls the worker, and so the buffer.
            "stalling": {"type": slow, "stall_s": STALL_S[when_full]},
        },
    }


def _log_from(threads: int, until_s: float) -> list[CallTimer]:
    timers = [CallTimer() for _ in range(threads)]
    start = threading.Barrier(threads)

    def produce(thread: int, timer: CallTimer) -> None:
        log = logflume.get_logger().bind(thread=thread)
        start.wait()
        while time.monotonic() < until_s and timer.calls < MAX_CALLS:
            number = timer.calls
            with timer.time_call():
                log.info("flood", number=number)

    producers = [
        threading.Thread(target=produce, args=(thread, timer))
        for thread, timer in enumerate(timers)
    ]
    for producer in producers:
        producer.start()
    for producer in producers:
        producer.join()
    return timers


def _check_counts(result: ScenarioResult, where: str, calls: int) -> None:
    report = logflume.report()
    assert report is not None
    # The pipeline's own three events bypass the buffer.
    result.expect(calls + 3, report.accepted, f"{where}: events accepted")
    result.expect(calls - report.dropped + 3, report.written, f"{where}: events written")
    for name, counts in report.sinks.items():
        total = counts["written"] + counts["dropped"]
        result.expect(counts["accepted"], total, f"{where}: {name} written + dropped")
        result.expect(report.written, counts["accepted"], f"{where}: accepted by {name}")
    result.expect(0, report.sinks["jsonl"]["dropped"], f"{where}: dropped by the journal")
    result.require(report.dropped > 0, f"{where}: the buffer was never full")
    result.faults += 1


def _check_gaps(
    result: ScenarioResult, where: str, calls: list[int], events: list[dict[str, Any]]
) -> None:
    """Check that `seq` has gaps exactly where events were dropped.

    Args:
        result: Where counts and violations go.
        where: The flood, for messages.
        calls: The number of log calls, by thread.
        events: The events in the journal.
    """
    report = logflume.report()
    assert report is not None
    result.checked += len(events)
    seqs = [int(e["seq"]) for e in events]
    result.expect(sorted(set(seqs)), seqs, f"{where}: seq in order, no duplicates")
    result.expect(report.dropped, seqs[-1] + 1 - len(seqs), f"{where}: sum of the gaps")
    missing = dict(enumerate(calls))
    latest: dict[int, tuple[int, int]] = {}
    for index, event in enumerate(events):
        if event["event"] != "flood":
            continue
        thread, number = int(event["thread"]), int(event["number"])
        before, before_index = latest.get(thread, (-1, 0))
        gaps = seqs[index] - seqs[before_index] - (index - before_index)
        skipped = number - before - 1
        result.require(0 <= skipped <= gaps, f"{where}: {skipped} missing before seq {seqs[index]}")
        latest[thread] = number, index
        missing[thread] -= 1
    lost = sum(missing.values()) - report.dropped
    result.lost += max(0, lost)
    result.expect(0, lost, f"{where}: events missing without being counted")
