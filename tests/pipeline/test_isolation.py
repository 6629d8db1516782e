"""Isolation of faulty sinks: other sinks get everything, nothing raises, faults are reported."""

from __future__ import annotations

import itertools
import math
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import logflume
from logflume.pipeline import guarded_sink
from logflume.protocols import Event, EventDict
from logflume.testing import MemorySink
from tests.fake_sinks import FaultySink, wait_until
from tests.pipeline.two_sinks import (
    assert_counts_add_up,
    log_to_two_sinks,
    numbers,
    sink_counts,
    statuses,
)


def always(error: BaseException) -> Callable[[Sequence[Event]], BaseException]:
    return lambda _events: error


class CustomExit(BaseException):
    """Inherits from `BaseException` only."""


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), OSError(28, "disk full"), SystemExit(1), CustomExit(), MemoryError()],
)
def test_a_sink_that_always_raises(error: BaseException, tmp_path: Path) -> None:
    """The other sink gets all events in order; the fault is reported once; losses are counted."""
    faulty = FaultySink(always(error))
    with log_to_two_sinks(tmp_path, faulty) as healthy:
        for number in range(50):
            logflume.get_logger().info("x", number=number)
        assert not logflume.flush()

    assert list(range(50)) == numbers(healthy.events)
    assert list(range(len(healthy.events))) == [e["seq"] for e in healthy.events]
    assert ["failed"] == statuses(healthy.events)
    assert sink_counts()["accepted"] == sink_counts()["dropped"] == len(healthy.events)
    assert_counts_add_up()


@pytest.mark.parametrize(
    "error",
    [OSError(24, "Too many open files"), MemoryError(), ImportError("failed to map segment")],
)
def test_a_shortage_at_the_end(error: Exception, tmp_path: Path) -> None:
    """A temporary shortage of resources when the run ends loses no event."""
    calls = itertools.count()
    faulty = FaultySink(lambda _events: error if next(calls) < 20 else None)
    with log_to_two_sinks(tmp_path, faulty) as healthy:
        for number in range(50):
            logflume.get_logger().info("x", number=number)

    assert list(range(50)) == numbers(healthy.events) == numbers(faulty.events)
    assert 0 == sink_counts()["dropped"]
    assert_counts_add_up()


class OddSink(FaultySink):
    """A sink whose optional attributes are all `value`, or raise it."""

    def __init__(self, value: object) -> None:
        super().__init__(always_fine)
        self._value = value

    def __getattr__(self, name: str) -> object:
        if name not in ("flush_every_s", "unwritten", "loss"):
            raise AttributeError(name)
        if isinstance(self._value, BaseException):
            raise self._value
        return self._value


@pytest.mark.parametrize(
    "value", [ValueError("no"), None, b"1", math.nan, -1.0, math.inf, object()]
)
def test_a_sink_with_an_odd_attribute(value: object, tmp_path: Path) -> None:
    """An optional attribute that isn't what it should be counts as left out."""
    odd = OddSink(value)
    with log_to_two_sinks(tmp_path, odd) as healthy:
        logflume.get_logger().info("x", number=1)
        assert logflume.flush()

    assert [1] == numbers(healthy.events) == numbers(odd.events)
    assert sink_counts()["written"] == sink_counts()["accepted"] == len(healthy.events)
    assert [] == statuses(healthy.events)


def test_fault_event(tmp_path: Path) -> None:
    """The event of a fault is an error with the name of the sink and the reason."""
    with log_to_two_sinks(tmp_path, FaultySink(always(ValueError("no such column")))) as healthy:
        logflume.get_logger().info("x", n=1)
        assert wait_until(lambda: statuses(healthy.events))

    (event,) = (e for e in healthy.events if e["event"] == "pipeline" and e["status"] == "failed")
    assert ("error", "faulty") == (event["level"], event["component"])
    assert re.fullmatch(r"ValueError: no such column \(fake_sinks\.py:\d+\)", event["reason"])


def test_the_reason_ends_with_a_full_stop(tmp_path: Path) -> None:
    """A full stop at the end of the error is left out before the place, and before another one."""
    with log_to_two_sinks(tmp_path, FaultySink(always(ValueError("No column.")))) as healthy:
        logflume.get_logger().info("x", n=1)
        assert wait_until(lambda: statuses(healthy.events))

    (event,) = (e for e in healthy.events if e["event"] == "pipeline" and e["status"] == "failed")
    assert event["reason"].startswith("ValueError: No column (fake_sinks.py:")
    assert f"faulty failed: {event['reason']}. Training and " in event["message"]


def test_a_run_that_ends_in_an_evaluation(tmp_path: Path) -> None:
    """The pipeline's own events have the step but no mode: they are about the run."""

    def fail(events: Sequence[Event]) -> Exception | None:
        return ValueError("no") if any(event["event"] == "x" for event in events) else None

    with log_to_two_sinks(tmp_path, FaultySink(fail), processors=["tag_step"]) as healthy:
        logflume.set_step(7, "eval")
        logflume.get_logger().info("x", n=1)
        assert wait_until(lambda: statuses(healthy.events))

    marks = {(e["event"], e.get("status"), e["step"], e.get("mode")) for e in healthy.events}
    assert {
        ("x", None, 7, "eval"),
        ("pipeline", "failed", 7, None),
        ("run_finished", "finished", 7, None),
        ("pipeline", "report", 7, None),
    } <= marks


def test_a_disk_that_is_full_temporarily(tmp_path: Path) -> None:
    """A recovered sink gets the missed events in order; fault and recovery are reported once."""
    faulty = FaultySink(always(OSError(28, "No space left on device")))
    with log_to_two_sinks(tmp_path, faulty) as healthy:
        log = logflume.get_logger()
        for number in range(10):
            log.info("x", number=number)
        assert not logflume.flush()
        faulty.fault = lambda _events: None
        for number in range(10, 20):
            log.info("x", number=number)
        assert wait_until(lambda: "recovered" in statuses(healthy.events))
        assert logflume.flush()

    assert list(range(20)) == numbers(faulty.events) == numbers(healthy.events)
    assert ["failed", "recovered"] == statuses(healthy.events)
    assert 0 == sink_counts()["dropped"]
    assert_counts_add_up()


def test_intermittent_faults_at_shutdown(tmp_path: Path) -> None:
    """Held events are not given up at shutdown because of a few more failures."""
    calls = itertools.count()
    faulty = FaultySink(lambda _events: OSError("busy") if next(calls) < 4 else None)
    with log_to_two_sinks(tmp_path, faulty) as healthy:
        for number in range(50):
            logflume.get_logger().info("x", number=number)

    assert list(range(50)) == numbers(faulty.events) == numbers(healthy.events)
    assert 0 == sink_counts()["dropped"]


def test_intermittent_faults(tmp_path: Path) -> None:
    """A sink that fails on every third call loses no event and repeats none."""
    calls = itertools.count()
    faulty = FaultySink(lambda _events: ValueError("no") if next(calls) % 3 == 0 else None)
    with log_to_two_sinks(tmp_path, faulty) as healthy:
        for number in range(200):
            logflume.get_logger().info("x", number=number)
            if number % 20 == 0:
                logflume.flush()

    assert list(range(200)) == numbers(faulty.events) == numbers(healthy.events)
    assert_counts_add_up()


@pytest.mark.parametrize("at_end", [True, False])
def test_an_event_that_the_sink_rejects(
    at_end: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the rejected event is given up, both during the run and at its end."""
    monkeypatch.setattr(guarded_sink, "FIRST_RETRY_S", 0.001)
    faulty = FaultySink(
        lambda events: KeyError("no") if any(e.get("number") == 7 for e in events) else None
    )
    with log_to_two_sinks(tmp_path, faulty) as healthy:
        for number in range(20):
            logflume.get_logger().info("x", number=number)
        assert at_end or wait_until(lambda: sink_counts()["written"] >= 20)

    assert [n for n in range(20) if n != 7] == numbers(faulty.events)
    assert list(range(20)) == numbers(healthy.events)
    assert 1 == sink_counts()["dropped/rejected"] == sink_counts()["dropped"]
    assert_counts_add_up()


def test_a_sink_that_fails_to_flush(tmp_path: Path) -> None:
    """While `flush` fails, `flush()` returns False; the fault is reported once."""
    faulty = FaultySink(always_fine)
    faulty.flush_error = OSError(28, "No space left on device")
    with log_to_two_sinks(tmp_path, faulty) as healthy:
        for _ in range(5):
            logflume.get_logger().info("x", number=1)
            assert not logflume.flush()
        faulty.flush_error = None
        assert logflume.flush()
        assert wait_until(lambda: "recovered" in statuses(healthy.events))

    assert ["failed", "recovered"] == statuses(healthy.events)
    assert 5 == sink_counts()["failed"]
    assert_counts_add_up()


def always_fine(_events: Sequence[Event]) -> None:
    return None


def test_a_sink_that_fails_to_close(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error is printed on standard error and doesn't affect the next run."""
    faulty = FaultySink(always_fine)
    faulty.close_error = OSError(5, "Input/output error")
    with log_to_two_sinks(tmp_path, faulty) as healthy:
        logflume.get_logger().info("x", number=1)
    with log_to_two_sinks(tmp_path, MemorySink()) as next_run:
        logflume.get_logger().info("x", number=2)

    assert healthy.is_closed
    assert re.fullmatch(
        r"logflume: faulty failed: OSError: .*Input/output error \(fake_sinks\.py:\d+\)\n",
        capsys.readouterr().err,
    )
    assert [] == statuses(next_run.events)


def test_losses_are_printed_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Losses are printed on standard error with sink and count; without losses, nothing is."""
    with log_to_two_sinks(tmp_path, FaultySink(always(ValueError("no")))):
        logflume.get_logger().info("x", number=1)
    printed = capsys.readouterr().err
    with log_to_two_sinks(tmp_path, MemorySink()):
        logflume.get_logger().info("x", number=1)

    assert "logflume: events dropped: faulty " in printed
    assert "logflume: faulty failed: ValueError: no (fake_sinks.py:" in printed
    assert "" == capsys.readouterr().err


def test_a_processor_that_failed_is_named_at_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The end of the run says which processor failed, and how often."""

    def broken(_logger: object, _method: str, event_dict: EventDict) -> EventDict:
        if event_dict["event"] == "x":
            raise ValueError("no")
        return event_dict

    with log_to_two_sinks(tmp_path, MemorySink(), processors=[broken]):
        for number in range(3):
            logflume.get_logger().info("x", number=number)

    expected = "broken failed on 3 events, which were recorded without its changes\n"
    assert expected in capsys.readouterr().err


def test_no_standard_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without standard error, such as `pythonw` or a daemon, shuts down normally."""
    monkeypatch.setattr(sys, "stderr", None)
    with log_to_two_sinks(tmp_path, FaultySink(always(ValueError("no")))) as healthy:
        logflume.get_logger().info("x", number=1)

    assert [1] == numbers(healthy.events)
