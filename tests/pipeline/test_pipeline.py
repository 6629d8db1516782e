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
    def test_what_was_logged_can_be_read(self, tmp_path: Path) -> None:
        """When `flush()` is true, another process would find everything in the file."""
        run = logflume.initialize(JOURNAL, dir=tmp_path)
        for number in range(5_000):
            logflume.get_logger().info("x", number=number)

        assert logflume.flush()
        assert 5_001 == len(read(run.folder / "events.jsonl"))

    def test_every_thread_finds_its_own(self, tmp_path: Path) -> None:
        """Each of several threads finds in the file what it has logged and flushed itself."""
        path = logflume.initialize(JOURNAL, dir=tmp_path).folder / "events.jsonl"

        def work(thread: int) -> bool:
            found = []
            for number in range(20):
                logflume.get_logger().info("x", thread=thread, number=number)
                assert logflume.flush()
                mine = [e for e in read(path) if e.get("thread") == thread]
                found.append(len(mine) == number + 1)
            return all(found)

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(work, range(4)))

    def test_false_where_nothing_runs(self) -> None:
        """Without a pipeline there is nothing that could be read."""
        assert not logflume.flush()

    def test_false_when_it_takes_too_long(self, tmp_path: Path) -> None:
        """A sink that stands still makes it false after the timeout, and true once it goes on."""
        held = HeldSink()
        logflume.initialize({"root": {"sinks": ["a"]}, "sinks": {"a": held}}, dir=tmp_path)

        assert not logflume.flush(timeout_s=0.01)
        held.go.set()
        assert logflume.flush()

    @pytest.mark.parametrize("timeout_s", [math.inf, 1e300, 0.0, -1.0])
    def test_any_timeout(self, timeout_s: float) -> None:
        """No timeout is too long or too short to be given."""
        with capture_events():
            logflume.flush()

            assert logflume.flush(timeout_s) == (timeout_s > 0)
            assert logflume.shutdown(max(timeout_s, 10.0))


class TestShutdown:
    def test_twice(self) -> None:
        """The second call does nothing, and says that all is well."""
        with capture_events() as events:
            logflume.get_logger().info("x")
            assert [True, True] == [logflume.shutdown(), logflume.shutdown()]

        assert ["run_started", "x", "run_finished", "pipeline"] == [e["event"] for e in events]

    def test_from_many_threads(self) -> None:
        """Threads that shut down at the same time all return, and one of them does it."""
        with capture_events() as events, ThreadPoolExecutor(8) as pool:
            logflume.get_logger().info("x")
            assert all(pool.map(lambda _: logflume.shutdown(), range(8)))

        assert 4 == len(events)

    def test_while_others_log(self) -> None:
        """Events that come while it shuts down are in this run or kept for the next, in order."""
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

        held = sum(counts.values()) - len(own(first)) - len(own(second))
        report = logflume.report()
        assert report is not None
        assert report.dropped == held
        for number, count in counts.items():
            found = [int(e["number"]) for e in own(first) + own(second) if e["thread"] == number]
            assert list(range(len(found))) == found
            assert held or count == len(found)

    def test_status(self, tmp_path: Path) -> None:
        """`run_finished` says how it ended: well, or with the error that a `finally` sees."""
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


class TestHeldEvents:
    def test_are_delivered(self) -> None:
        """What is logged before `initialize()` is the run's, after `run_started`, with its time."""
        logflume.get_logger().info("early", a=1)
        with capture_events() as events:
            logflume.get_logger().info("late")

        assert ["run_started", "early", "late"] == [e["event"] for e in events[:3]]
        assert events[1]["timestamp"] < events[0]["timestamp"]

    def test_have_levels(self) -> None:
        """The levels of the configuration hold for them, too."""
        for name in ("training", "model"):
            logflume.get_logger(name).debug("low")
            logflume.get_logger(name).error("high")
        with capture_events(loggers={"model": {"level": "ERROR"}}) as events:
            pass

        assert [("training", "low"), ("training", "high"), ("model", "high")] == [
            (e["logger"], e["event"]) for e in own(events)
        ]

    def test_are_bounded(self) -> None:
        """The first 10,000 are kept; how many more there were is counted, and a gap in `seq`."""
        for number in range(HELD_RECORDS + 5):
            logflume.get_logger().info("x", number=number)
        assert HELD_RECORDS + 1 == len(CHANNELS.buffer)
        with capture_events() as events:
            logflume.get_logger().info("late")

        report = logflume.report()
        assert report is not None
        assert 5 == report.dropped
        assert HELD_RECORDS - 1 == own(events)[-2]["number"]
        assert 6 == own(events)[-1]["seq"] - own(events)[-2]["seq"]


def test_reports(tmp_path: Path) -> None:
    """`report()` counts while the run lasts and after it; the last event says the same."""
    logflume.initialize(JOURNAL, dir=tmp_path, run="r")
    for _ in range(10):
        logflume.get_logger().info("x")
    assert logflume.flush()
    during = logflume.report()
    logflume.shutdown()
    after = logflume.report()

    assert during is not None
    assert after is not None
    assert {"accepted": 11, "written": 11, "dropped": 0, "failed": 0} == during.sinks["jsonl"]
    assert {"accepted": 13, "written": 13, "dropped": 0, "failed": 0} == after.sinks["jsonl"]
    last = read(tmp_path / "r" / "events.jsonl")[-1]
    assert (10, 12, 12) == (last["accepted"], last["written"], last["sinks/jsonl/written"])
