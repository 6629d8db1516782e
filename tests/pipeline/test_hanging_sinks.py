"""A sink that hangs in `write`: the others are whole, and the end comes in time."""

from __future__ import annotations

from pathlib import Path

import pytest

import logflume
from logflume.testing import MemorySink
from tests.fake_sinks import HangingSink, HeldSink, wait_until
from tests.pipeline.two_sinks import assert_honest, logging_to, numbers, totals


@pytest.mark.parametrize("when_full", ["block", "drop_newest", "drop_oldest"])
def test_the_others_are_whole(when_full: str, tmp_path: Path) -> None:
    """The others get everything and are closed; what it missed is counted; the end comes."""
    held = HeldSink()
    HangingSink.held = held
    bad = {
        "type": "tests.fake_sinks:HangingSink",
        "queue": {"size": 10, "when_full": when_full},
    }
    with logging_to(
        tmp_path,
        bad,
        shutdown_timeout_s=1.0,
        buffer={"block_timeout_s": 0.05, "flush_interval_s": 0.005},
    ) as good:
        logflume.get_logger().info("x", number=0)
        assert held.entered.wait(30.0)
        for number in range(1, 100):
            logflume.get_logger().info("x", number=number)
        assert not logflume.flush(0.1)
        assert not logflume.shutdown()

    assert list(range(100)) == numbers(good.events)
    assert good.is_closed
    assert 0 < totals()["dropped"]
    assert_honest()
    held.go.set()
    assert wait_until(lambda: held.is_closed)


def test_without_a_thread_of_its_own(tmp_path: Path) -> None:
    """On the worker's thread it holds up the others, but neither the training nor the end."""
    held = HeldSink()
    with logging_to(
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
    assert_honest()

    # The worker that was left behind must not take what belongs to the next run.
    with logging_to(tmp_path, MemorySink()) as good:
        held.go.set()
        assert wait_until(lambda: held.is_closed)
        for number in range(100, 110):
            logflume.get_logger().info("x", number=number)
    assert list(range(100, 110)) == numbers(good.events)[-10:]
    assert not set(numbers(held.events)) & set(range(100, 110))
