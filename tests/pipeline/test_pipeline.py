"""A pipeline from `initialize()` to `shutdown()`: flushing, runs and attempts, reports."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.logger.channels import CHANNELS, HELD_RECORDS
from logflume.testing import MemorySink, capture_events
from tests.event_helpers import JOURNAL, own, read
from tests.fake_sinks import HeldSink, wait_until


class TestFlush:
    def test_events_are_readable(self, tmp_path: Path) -> None:
        """When `flush()` returns True, another process can read all events from the file."""
        run = logflume.initialize(JOURNAL, dir=tmp_path)
        for number in range(5_000):
            logflume.get_logger().info("x", number=number)

        assert logflume.flush()
        assert 5_001 == len(read(run.folder / "events.jsonl"))

    def test_from_many_threads_in_turn(self, tmp_path: Path) -> None:
        """Each of several threads reads its own events from the file after each flush."""
        path = logflume.initialize(JOURNAL, dir=tmp_path).folder / "events.jsonl"

        def work(thread: int) -> bool:
            results = []
            for number in range(20):
                logflume.get_logger().info("x", thread=thread, number=number)
                assert logflume.flush()
                own_events = [e for e in read(path) if e.get("thread") == thread]
                results.append(len(own_events) == number + 1)
            return all(results)

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(work, range(4)))

    def test_without_a_pipeline(self) -> None:
        """Without a pipeline, `flush()` returns False."""
        assert not logflume.flush()

    def test_timeout(self, tmp_path: Path) -> None:
        """With a blocked sink, `flush()` returns False after the timeout; later it returns True."""
        held = HeldSink()
        logflume.initialize({"root": {"sinks": ["a"]}, "sinks": {"a": held}}, dir=tmp_path)

        assert not logflume.flush(timeout_s=0.01)
        held.go.set()
        assert logflume.flush()

    @pytest.mark.parametrize("timeout_s", [math.inf, 1e300, 0.0, -1.0])
    def test_any_timeout(self, timeout_s: float) -> None:
        """Any timeout is accepted: infinite, very long, zero or negative."""
        with capture_events():
            logflume.flush()

            assert logflume.flush(timeout_s) == (timeout_s > 0)
            assert logflume.shutdown(max(timeout_s, 10.0))


class TestShutdown:
    def test_twice(self) -> None:
        """The second call does nothing and returns True."""
        with capture_events() as events:
            logflume.get_logger().info("x", n=1)
            assert [True, True] == [logflume.shutdown(), logflume.shutdown()]

        assert ["run_started", "x", "run_finished", "pipeline"] == [e["event"] for e in events]

    def test_from_many_threads(self) -> None:
        """Concurrent calls all return True, and the run is finished once."""
        with capture_events() as events, ThreadPoolExecutor(8) as pool:
            logflume.get_logger().info("x", n=1)
            assert all(pool.map(lambda _: logflume.shutdown(), range(8)))

        assert 4 == len(events)

    def test_while_others_log(self) -> None:
        """Events logged during shutdown belong to this run or to the next one, in order."""
        stop = threading.Event()
        counts = {}

        def work(thread: int) -> None:
            count = 0
            while not stop.is_set():
                logflume.get_logger().info("x", thread=thread, number=count)
                count += 1
            counts[thread] = count

        threads = [threading.Thread(target=work, args=[thread]) for thread in range(3)]
        with capture_events(buffer={"size": 100, "flush_interval_s": 0.001}) as first:
            for thread in threads:
                thread.start()
            assert wait_until(lambda: len(first) > 100)
        stop.set()
        for thread in threads:
            thread.join()
        with capture_events() as second:
            pass

        missing = sum(counts.values()) - len(own(first)) - len(own(second))
        report = logflume.report()
        assert report is not None
        assert report.dropped == missing
        for thread_id, count in counts.items():
            numbers = [
                int(e["number"]) for e in own(first) + own(second) if e["thread"] == thread_id
            ]
            assert list(range(len(numbers))) == numbers
            assert missing or count == len(numbers)

    def test_status(self, tmp_path: Path) -> None:
        """`run_finished` has the status of the run, and the error being handled in a `finally`."""
        sinks: dict[str, Any] = {"ok": MemorySink(), "error": MemorySink(), "stop": MemorySink()}
        for name, error in (("ok", None), ("error", ValueError("no")), ("stop", SystemExit(3))):
            try:
                logflume.initialize(
                    {"root": {"sinks": [name]}, "sinks": {name: sinks[name]}}, dir=tmp_path
                )
                try:
                    if error is not None:
                        raise error
                finally:
                    logflume.shutdown()
            except (ValueError, SystemExit):
                pass

        assert [
            ("finished", None),
            ("failed", "ValueError: no"),
            ("failed", "SystemExit: 3"),
        ] == [(s.events[-2]["status"], s.events[-2].get("exception")) for s in sinks.values()]


class TestEarlyEvents:
    def test_are_delivered(self) -> None:
        """Events logged before `initialize()` follow `run_started`, with their own timestamps."""
        logflume.get_logger().info("early", a=1)
        with capture_events() as events:
            logflume.get_logger().info("late", n=1)

        assert ["run_started", "early", "late"] == [e["event"] for e in events[:3]]
        assert events[1]["timestamp"] < events[0]["timestamp"]

    def test_have_levels(self) -> None:
        """The configured levels apply to them."""
        for name in ("training", "model"):
            logflume.get_logger(name).debug("low", n=1)
            logflume.get_logger(name).error("high", n=1)
        with capture_events(loggers={"model": {"level": "ERROR"}}) as events:
            pass

        assert [("training", "low"), ("training", "high"), ("model", "high")] == [
            (e["logger"], e["event"]) for e in own(events)
        ]

    def test_are_bounded(self) -> None:
        """The first 10,000 are kept; the others are counted as dropped and leave a gap in `seq`."""
        for number in range(HELD_RECORDS + 5):
            logflume.get_logger().info("x", number=number)
        assert HELD_RECORDS + 1 == len(CHANNELS.buffer)
        with capture_events() as events:
            logflume.get_logger().info("late", n=1)

        report = logflume.report()
        assert report is not None
        assert 5 == report.dropped
        assert HELD_RECORDS - 1 == own(events)[-2]["number"]
        assert 6 == own(events)[-1]["seq"] - own(events)[-2]["seq"]


def test_reports(tmp_path: Path) -> None:
    """`report()` has the counts during the run and after it; the last event has the same."""
    logflume.initialize(JOURNAL, dir=tmp_path, run="r")
    for _ in range(10):
        logflume.get_logger().info("x", n=1)
    assert logflume.flush()
    during = logflume.report()
    logflume.shutdown()
    after = logflume.report()

    assert during is not None
    assert after is not None
    assert {"accepted": 11, "written": 11, "dropped": 0, "failed": 0} == during.sinks["jsonl"]
    assert {"accepted": 13, "written": 13, "dropped": 0, "failed": 0} == after.sinks["jsonl"]
    last = read(tmp_path / "r" / "events.jsonl")[-1]
    assert (12, 12, 12) == (last["accepted"], last["written"], last["sinks/jsonl/written"])
