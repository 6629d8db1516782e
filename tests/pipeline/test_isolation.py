"""A sink that fails: the others are whole, nothing raises, everything is counted and said once."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import logflume
from logflume.pipeline import delivery as outlet
from logflume.protocols import Event
from logflume.testing import MemorySink
from tests.fake_sinks import FaultySink, wait_until
from tests.pipeline.two_sinks import assert_honest, logging_to, numbers, statuses, totals


def always(error: BaseException) -> Callable[[Sequence[Event]], BaseException]:
    return lambda _events: error


class Gone(BaseException):
    """What is no `Exception`."""


@pytest.mark.parametrize(
    "error", [ValueError("no"), OSError(28, "disk full"), SystemExit(1), Gone(), MemoryError()]
)
def test_a_sink_that_always_raises(error: BaseException, tmp_path: Path) -> None:
    """The other sink has everything, in order; the fault is one event; the losses are counted."""
    bad = FaultySink(always(error))
    with logging_to(tmp_path, bad) as good:
        for number in range(50):
            logflume.get_logger().info("x", number=number)
        assert not logflume.flush()

    assert list(range(50)) == numbers(good.events)
    assert list(range(len(good.events))) == [e["seq"] for e in good.events]
    assert ["failed"] == statuses(good.events)
    assert totals()["accepted"] == totals()["dropped"] == len(good.events)
    assert_honest()


def test_what_the_report_of_a_fault_says(tmp_path: Path) -> None:
    """The event names the sink and the reason, at error level."""
    with logging_to(tmp_path, FaultySink(always(ValueError("no such column")))) as good:
        logflume.get_logger().info("x")
        assert wait_until(lambda: statuses(good.events))

    (event,) = (e for e in good.events if e["event"] == "pipeline" and e["status"] == "failed")
    assert ("error", "bad", "ValueError: no such column") == (
        event["level"],
        event["component"],
        event["reason"],
    )


def test_a_disk_that_was_full_for_a_while(tmp_path: Path) -> None:
    """A sink that works again gets what it missed, in order; both turns are told once."""
    bad = FaultySink(always(OSError(28, "No space left on device")))
    with logging_to(tmp_path, bad) as good:
        log = logflume.get_logger()
        for number in range(10):
            log.info("x", number=number)
        assert not logflume.flush()
        bad.fault = lambda _events: None
        for number in range(10, 20):
            log.info("x", number=number)
        assert wait_until(lambda: "recovered" in statuses(good.events))
        assert logflume.flush()

    assert list(range(20)) == numbers(bad.events) == numbers(good.events)
    assert ["failed", "recovered"] == statuses(good.events)
    assert 0 == totals()["dropped"]
    assert_honest()


def test_a_last_write_that_fails_now_and_then(tmp_path: Path) -> None:
    """What is held when the run ends is not given up because of one more failure."""
    calls = itertools.count()
    bad = FaultySink(lambda _events: OSError("busy") if next(calls) < 4 else None)
    with logging_to(tmp_path, bad) as good:
        for number in range(50):
            logflume.get_logger().info("x", number=number)

    assert list(range(50)) == numbers(bad.events) == numbers(good.events)
    assert 0 == totals()["dropped"]


def test_a_sink_that_raises_now_and_then(tmp_path: Path) -> None:
    """A sink that fails at every third call loses and repeats nothing."""
    calls = itertools.count()
    bad = FaultySink(lambda _events: ValueError("no") if next(calls) % 3 == 0 else None)
    with logging_to(tmp_path, bad) as good:
        for number in range(200):
            logflume.get_logger().info("x", number=number)
            if number % 20 == 0:
                logflume.flush()

    assert list(range(200)) == numbers(bad.events) == numbers(good.events)
    assert_honest()


@pytest.mark.parametrize("at_once", [True, False])
def test_one_event_that_the_sink_cannot_take(
    at_once: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the poisonous event is given up, at the end of the run as in its middle."""
    monkeypatch.setattr(outlet, "FIRST_RETRY_S", 0.001)
    bad = FaultySink(
        lambda events: KeyError("no") if any(e.get("number") == 7 for e in events) else None
    )
    with logging_to(tmp_path, bad) as good:
        for number in range(20):
            logflume.get_logger().info("x", number=number)
        assert at_once or wait_until(lambda: totals()["written"] >= 20)

    assert [n for n in range(20) if n != 7] == numbers(bad.events)
    assert list(range(20)) == numbers(good.events)
    assert 1 == totals()["dropped/rejected"] == totals()["dropped"]
    assert_honest()


def test_a_sink_that_takes_events_but_cannot_flush(tmp_path: Path) -> None:
    """`flush()` says so as long as it lasts; the fault is told once, though writing works."""
    bad = FaultySink(always_fine)
    bad.flush_error = OSError(28, "No space left on device")
    with logging_to(tmp_path, bad) as good:
        for _ in range(5):
            logflume.get_logger().info("x", number=1)
            assert not logflume.flush()
        bad.flush_error = None
        assert logflume.flush()
        assert wait_until(lambda: "recovered" in statuses(good.events))

    assert ["failed", "recovered"] == statuses(good.events)
    assert 5 == totals()["failed"]
    assert_honest()


def always_fine(_events: Sequence[Event]) -> None:
    return None


def test_a_sink_that_cannot_be_closed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said on standard error, and the next run knows nothing of it."""
    bad = FaultySink(always_fine)
    bad.close_error = OSError(5, "Input/output error")
    with logging_to(tmp_path, bad) as good:
        logflume.get_logger().info("x", number=1)
    with logging_to(tmp_path, MemorySink()) as next_run:
        logflume.get_logger().info("x", number=2)

    assert good.is_closed
    assert (
        "logflume: bad failed: OSError: [Errno 5] Input/output error\n" == capsys.readouterr().err
    )
    assert [] == statuses(next_run.events)


def test_what_was_lost_is_said_at_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Losses are told on standard error with the sink's name and how many; else nothing is."""
    with logging_to(tmp_path, FaultySink(always(ValueError("no")))):
        logflume.get_logger().info("x", number=1)
    printed = capsys.readouterr().err
    with logging_to(tmp_path, MemorySink()):
        logflume.get_logger().info("x", number=1)

    assert "logflume: events dropped: bad " in printed
    assert "logflume: bad failed: ValueError: no\n" in printed
    assert "" == capsys.readouterr().err


def test_no_standard_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without standard error (`pythonw`, a daemon) shuts down all the same."""
    monkeypatch.setattr(sys, "stderr", None)
    with logging_to(tmp_path, FaultySink(always(ValueError("no")))) as good:
        logflume.get_logger().info("x", number=1)

    assert [1] == numbers(good.events)
