"""Producers faster than the sinks: each policy does what it says, no event goes uncounted."""

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
from tests.torture.pulse import Pulse
from tests.torture.tally import Tally, Watch

__all__ = ["overload"]

THREADS = (1, 4, 16)
BLOCK_TIMEOUT_S = 0.05
TURNS = 20
"""How often a thread is thought to be overtaken by all others, at worst, before it has its turn."""

SHORTEST_S = 0.3
MOST_CALLS = 20_000
STALL_S = {WhenFull.BLOCK: 2.0, WhenFull.DROP_NEWEST: 0.3, WhenFull.DROP_OLDEST: 0.3}
"""How long the worker stands still at times: longer than any call may wait."""

STALL_EVERY = 100
"""Batches from one standstill to the next."""


class SlowSink:
    """Takes 2 ms over a batch, and now and then stands still for `stall_s`."""

    def __init__(self, stall_s: float = 0.0) -> None:
        self._stall_s = stall_s
        self._pause = threading.Event()
        self._batches = 0

    def write(self, events: Sequence[Event]) -> None:
        """Take its time."""
        self._batches += 1
        self._pause.wait(self._stall_s if self._batches % STALL_EVERY == 5 else 0.002)

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def overload(tally: Tally, random: Random, until_s: float, folder: Path) -> None:
    """Flood a small buffer from 1, 4 and 16 threads, with each policy."""
    floods = list(itertools.product(WhenFull, THREADS))
    random.shuffle(floods)
    slice_s = max(SHORTEST_S, (until_s - time.monotonic()) / len(floods))
    for when_full, threads in floods:
        _flood(tally, when_full, threads, slice_s, folder / f"{when_full}-{threads}")


def _flood(tally: Tally, when_full: WhenFull, threads: int, seconds: float, folder: Path) -> None:
    logflume.initialize(_config(when_full), dir=folder, run="r")
    with Pulse() as pulse:
        calls = _log_from(threads, time.monotonic() + seconds)
    done = logflume.shutdown(60.0)
    where = f"overload, {when_full}, {threads} threads"
    tally.claim(done, f"{where}: the sinks were not done")
    slack_s = _slack_s(threads, pulse.lateness_s)
    longest_s = max(watch.longest_s for watch in calls)
    tally.longest_call_ms = max(tally.longest_call_ms, longest_s * 1e3)
    tally.claim(
        longest_s <= BLOCK_TIMEOUT_S + slack_s,
        f"{where}: a call took {longest_s:.3f} s, with a slack of {slack_s:.3f} s",
    )
    _check_counts(tally, where, sum(watch.calls for watch in calls))
    _check_gaps(
        tally, where, [watch.calls for watch in calls], list(open_run(folder / "r", attempts="all"))
    )


def _slack_s(threads: int, lateness_s: float) -> float:
    """Return what a call may take beyond its bound, for no fault of ours.

    When its time is up a thread has to be woken by the system, which an idle thread saw
    to be late by `lateness_s`. Then it queues for Python's lock behind every other producer, the
    worker, the slow sink and the idle thread, each of which may keep it for a switch interval, and
    longer where other programs want the processor. That lock isn't fair: a thread may be
    overtaken many times (16 threads that only append to a list see such waits, too).
    """
    crowd = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    return TURNS * (threads + 3) * sys.getswitchinterval() * crowd + lateness_s + 0.1


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
            # Without a queue, so it holds up the worker and all that is behind it.
            "stalling": {"type": slow, "stall_s": STALL_S[when_full]},
        },
    }


def _log_from(threads: int, until_s: float) -> list[Watch]:
    watches = [Watch() for _ in range(threads)]
    start = threading.Barrier(threads)

    def produce(thread: int, watch: Watch) -> None:
        log = logflume.get_logger().bind(thread=thread)
        start.wait()
        while time.monotonic() < until_s and watch.calls < MOST_CALLS:
            number = watch.calls
            with watch.call():
                log.info("flood", number=number)

    producers = [
        threading.Thread(target=produce, args=(thread, watch))
        for thread, watch in enumerate(watches)
    ]
    for producer in producers:
        producer.start()
    for producer in producers:
        producer.join()
    return watches


def _check_counts(tally: Tally, where: str, calls: int) -> None:
    report = logflume.report()
    assert report is not None
    tally.expect(calls, report.accepted, f"{where}: events accepted")
    # The pipeline's own three events pass the buffer by.
    tally.expect(calls - report.dropped + 3, report.written, f"{where}: events written")
    for name, counts in report.sinks.items():
        whole = counts["written"] + counts["dropped"]
        tally.expect(counts["accepted"], whole, f"{where}: {name} written + dropped")
        tally.expect(report.written, counts["accepted"], f"{where}: accepted by {name}")
    tally.expect(0, report.sinks["jsonl"]["dropped"], f"{where}: dropped by the journal")
    tally.claim(report.dropped > 0, f"{where}: the buffer was never full")
    tally.faults += 1


def _check_gaps(tally: Tally, where: str, calls: list[int], events: list[dict[str, Any]]) -> None:
    """Check that `seq` has gaps where events are missing, and nowhere else."""
    report = logflume.report()
    assert report is not None
    tally.checked += len(events)
    seqs = [int(e["seq"]) for e in events]
    tally.expect(sorted(set(seqs)), seqs, f"{where}: seq in order, none twice")
    tally.expect(report.dropped, seqs[-1] + 1 - len(seqs), f"{where}: sum of the gaps")
    missing = dict(enumerate(calls))
    latest: dict[int, tuple[int, int]] = {}
    for place, event in enumerate(events):
        if event["event"] != "flood":
            continue
        thread, number = int(event["thread"]), int(event["number"])
        before, before_place = latest.get(thread, (-1, 0))
        gaps = seqs[place] - seqs[before_place] - (place - before_place)
        skipped = number - before - 1
        tally.claim(0 <= skipped <= gaps, f"{where}: {skipped} missing before seq {seqs[place]}")
        latest[thread] = number, place
        missing[thread] -= 1
    lost = sum(missing.values()) - report.dropped
    tally.lost += max(0, lost)
    tally.expect(0, lost, f"{where}: events missing that no count tells of")
