"""Sinks that hang in `write`: other sinks are complete, and shutdown ends in time."""

from __future__ import annotations

from pathlib import Path

import pytest

import logflume
from logflume.testing import MemorySink
from tests.fake_sinks import HangingSink, HeldSink, wait_until
from tests.pipeline.two_sinks import assert_counts_add_up, log_to_two_sinks, numbers, sink_counts


@pytest.mark.parametrize("when_full", ["block", "drop_newest", "drop_oldest"])
def test_other_sinks_are_complete(when_full: str, tmp_path: Path) -> None:
    """The other sink gets everything and is closed; losses are counted; shutdown is in time."""
    held = HeldSink()
    HangingSink.held = held
    faulty = {
        "type": "tests.fake_sinks:HangingSink",
        "queue": {"size": 10, "when_full": when_full},
    }
    with log_to_two_sinks(
        tmp_path,
        faulty,
        shutdown_timeout_s=1.0,
        buffer={"block_timeout_s": 0.05, "flush_interval_s": 0.005},
    ) as healthy:
        logflume.get_logger().info("x", number=0)
        assert held.entered.wait(30.0)
        for number in range(1, 100):
            logflume.get_logger().info("x", number=number)
        assert not logflume.flush(0.1)
        assert not logflume.shutdown()

    assert list(range(100)) == numbers(healthy.events)
    assert healthy.is_closed
    assert 0 < sink_counts()["dropped"]
    assert_counts_add_up()
    held.go.set()
    assert wait_until(lambda: held.is_closed)


def test_a_sink_on_the_worker_thread(tmp_path: Path) -> None:
    """A sink on the worker's thread blocks the other sinks, but neither training nor shutdown."""
    held = HeldSink()
    with log_to_two_sinks(
        tmp_path,
        held,
        shutdown_timeout_s=0.3,
        buffer={"size": 10, "block_timeout_s": 0.05, "flush_interval_s": 0.005},
    ):
        assert held.entered.wait(30.0)
        for number in range(100):
            logflume.get_logger().info("x", number=number)
        assert not logflume.flush(0.1)
        assert not logflume.shutdown()
    assert_counts_add_up()

    # The abandoned worker must not take records of the next run.
    with log_to_two_sinks(tmp_path, MemorySink()) as healthy:
        held.go.set()
        assert wait_until(lambda: held.is_closed)
        for number in range(100, 110):
            logflume.get_logger().info("x", number=number)
    assert list(range(100, 110)) == numbers(healthy.events)[-10:]
    assert not set(numbers(held.events)) & set(range(100, 110))
