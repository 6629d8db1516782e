"""Catch-up within a run: a sink whose fault outlasts its limit of held events."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.pipeline import guarded_sink
from logflume.protocols import Event
from logflume.sinks.jsonl import JsonlSink
from tests.fake_sinks import FaultySink, wait_until
from tests.pipeline.catching_up import (
    CONFIG,
    has_nothing_pending,
    journal_positions,
    open_run,
    sink_counts,
)


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded_sink, "MAX_HELD_EVENTS", 100)
    monkeypatch.setattr(guarded_sink, "FIRST_RETRY_S", 0.001)
    monkeypatch.setattr(guarded_sink, "LONGEST_RETRY_S", 0.05)


def start_run(folder: Path, faulty: Any) -> Path:
    root = {"level": "INFO", "sinks": ["jsonl", "faulty"]}
    return open_run(folder, {**CONFIG, "root": root}, faulty=faulty)


def assert_complete(folder: Path, faulty: FaultySink) -> None:
    """Check that the sink has all events of the journal, in order, and that none are pending."""
    assert journal_positions(folder) == [(e["attempt"], e["seq"]) for e in faulty.events]
    assert 0 == sink_counts("faulty")["dropped"]
    assert has_nothing_pending("faulty")


def log_numbers(first: int, last: int) -> None:
    for number in range(first, last):
        logflume.get_logger().info("x", number=number)


@pytest.mark.parametrize("threaded", [False, True])
def test_a_recovered_sink_catches_up(threaded: bool, tmp_path: Path) -> None:
    """A recovered sink gets all missed events in order; none count as dropped."""
    faulty = FaultySink(lambda _events: OSError(28, "No space left on device"))
    faulty.threaded = threaded  # type: ignore[attr-defined]
    folder = start_run(tmp_path, faulty)
    log_numbers(0, 1_000)
    assert not logflume.flush()
    assert 0 == sink_counts("faulty")["written"]
    faulty.fault = lambda _events: None
    log_numbers(1_000, 1_100)
    assert wait_until(logflume.flush)
    log_numbers(1_100, 1_200)
    assert logflume.shutdown()

    assert_complete(folder, faulty)


def test_a_sink_that_recovers_at_shutdown(tmp_path: Path) -> None:
    """A sink that recovers just before it is closed catches up then."""
    faulty = FaultySink(lambda _events: OSError(28, "No space left on device"))
    folder = start_run(tmp_path, faulty)
    log_numbers(0, 1_000)
    logflume.flush()
    faulty.fault = lambda _events: None
    assert logflume.shutdown()

    assert_complete(folder, faulty)


def test_faults_during_catch_up(tmp_path: Path) -> None:
    """Errors during catch-up cause a delay, but no lost or repeated event."""
    faulty = FaultySink(lambda _events: OSError(28, "No space left on device"))
    folder = start_run(tmp_path, faulty)
    log_numbers(0, 5_000)
    logflume.flush()
    # A limited number: each fault is logged as an event, which would cause the next fault.
    faults = iter([False, True] * 10)
    faulty.fault = lambda _events: ValueError("no") if next(faults, False) else None
    assert wait_until(
        lambda: has_nothing_pending("faulty") and 0 == sink_counts("faulty")["dropped"]
    )
    assert next(faults, None) is None
    assert logflume.shutdown()

    assert journal_positions(folder) == [(e["attempt"], e["seq"]) for e in faulty.events]


def test_a_rejected_event_during_catch_up(tmp_path: Path) -> None:
    """Only the rejected event is given up."""
    faulty = FaultySink(lambda _events: OSError(28, "No space left on device"))
    folder = start_run(tmp_path, faulty)
    log_numbers(0, 1_000)
    logflume.flush()
    faulty.fault = lambda events: (
        KeyError("no") if any(e.get("number") == 700 for e in events) else None
    )
    assert wait_until(lambda: 1 == sink_counts("faulty").get("dropped/rejected"))
    assert logflume.shutdown()

    missing = set(journal_positions(folder)) - {(e["attempt"], e["seq"]) for e in faulty.events}
    assert [700] == [
        e["number"] for e in logflume.open_run(folder) if (e["attempt"], e["seq"]) in missing
    ]
    assert 1 == sink_counts("faulty")["dropped"] == sink_counts("faulty")["dropped/rejected"]
    assert has_nothing_pending("faulty")


def test_the_journal_fails_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk is full, a sink waits until the journal has written what it can."""
    full = OSError(28, "No space left on device")
    is_full = True
    write = JsonlSink.write

    def write_unless_full(sink: JsonlSink, events: Sequence[Event]) -> None:
        if is_full:
            raise full
        write(sink, events)

    monkeypatch.setattr(JsonlSink, "write", write_unless_full)
    faulty = FaultySink(lambda _events: full if is_full else None)
    folder = start_run(tmp_path, faulty)
    log_numbers(0, 1_000)
    assert not logflume.flush()
    is_full = False
    assert wait_until(logflume.flush)
    log_numbers(1_000, 1_100)
    assert logflume.shutdown()

    assert set(journal_positions(folder)) <= {(e["attempt"], e["seq"]) for e in faulty.events}
    assert sink_counts("faulty")["dropped"] <= sink_counts("jsonl")["dropped"]
    assert has_nothing_pending("faulty")
    assert has_nothing_pending("jsonl")
