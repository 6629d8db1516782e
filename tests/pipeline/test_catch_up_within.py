"""A sink that fails longer than its events can be held catches up when it is healed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.pipeline import delivery as outlet
from logflume.protocols import Event
from logflume.sinks.jsonl import JsonlSink
from tests.fake_sinks import FaultySink, wait_until
from tests.pipeline.catching_up import CONFIG, in_journal, is_at_rest, open_run, totals


@pytest.fixture(autouse=True)
def _few_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet, "MAX_HELD", 100)
    monkeypatch.setattr(outlet, "FIRST_RETRY_S", 0.001)
    monkeypatch.setattr(outlet, "LONGEST_RETRY_S", 0.05)


def start(folder: Path, bad: Any) -> Path:
    root = {"level": "INFO", "sinks": ["jsonl", "bad"]}
    return open_run(folder, {**CONFIG, "root": root}, bad=bad)


def assert_whole(folder: Path, bad: FaultySink) -> None:
    """Check that the sink has all that the journal has, in order, and nothing is on its way."""
    assert in_journal(folder) == [(e["attempt"], e["seq"]) for e in bad.events]
    assert 0 == totals("bad")["dropped"]
    assert is_at_rest("bad")


def log(first: int, last: int) -> None:
    for number in range(first, last):
        logflume.get_logger().info("x", number=number)


@pytest.mark.parametrize("threaded", [False, True])
def test_it_catches_up_when_it_is_healed(threaded: bool, tmp_path: Path) -> None:
    """It gets all that it missed from the journal, in order, and nothing counts as dropped."""
    bad = FaultySink(lambda _events: OSError(28, "No space left on device"))
    bad.threaded = threaded  # type: ignore[attr-defined]
    folder = start(tmp_path, bad)
    log(0, 1_000)
    assert not logflume.flush()
    assert 0 == totals("bad")["written"]
    bad.fault = lambda _events: None
    log(1_000, 1_100)
    assert wait_until(logflume.flush)
    log(1_100, 1_200)
    assert logflume.shutdown()

    assert_whole(folder, bad)


def test_it_is_healed_only_at_the_end(tmp_path: Path) -> None:
    """A sink that takes events again just when it is closed catches up then."""
    bad = FaultySink(lambda _events: OSError(28, "No space left on device"))
    folder = start(tmp_path, bad)
    log(0, 1_000)
    logflume.flush()
    bad.fault = lambda _events: None
    assert logflume.shutdown()

    assert_whole(folder, bad)


def test_it_stumbles_while_it_catches_up(tmp_path: Path) -> None:
    """Errors on the way delay it, and neither lose nor repeat an event."""
    bad = FaultySink(lambda _events: OSError(28, "No space left on device"))
    folder = start(tmp_path, bad)
    log(0, 5_000)
    logflume.flush()
    # Not for ever: each fault is an event itself, which the sink would stumble over next.
    stumbles = iter([False, True] * 10)
    bad.fault = lambda _events: ValueError("no") if next(stumbles, False) else None
    assert wait_until(lambda: is_at_rest("bad") and 0 == totals("bad")["dropped"])
    assert next(stumbles, None) is None
    assert logflume.shutdown()

    assert in_journal(folder) == [(e["attempt"], e["seq"]) for e in bad.events]


def test_an_event_that_it_cannot_take(tmp_path: Path) -> None:
    """It alone is given up, in what is caught up as anywhere else."""
    bad = FaultySink(lambda _events: OSError(28, "No space left on device"))
    folder = start(tmp_path, bad)
    log(0, 1_000)
    logflume.flush()
    bad.fault = lambda events: (
        KeyError("no") if any(e.get("number") == 700 for e in events) else None
    )
    assert wait_until(lambda: 1 == totals("bad").get("dropped/rejected"))
    assert logflume.shutdown()

    missing = set(in_journal(folder)) - {(e["attempt"], e["seq"]) for e in bad.events}
    assert [700] == [
        e["number"] for e in logflume.open_run(folder) if (e["attempt"], e["seq"]) in missing
    ]
    assert 1 == totals("bad")["dropped"] == totals("bad")["dropped/rejected"]
    assert is_at_rest("bad")


def test_the_journal_fails_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a disk that is full for all, a sink waits until the journal has what it can still get."""
    full = OSError(28, "No space left on device")
    is_full = True
    write = JsonlSink.write

    def write_if_there_is_room(sink: JsonlSink, events: Sequence[Event]) -> None:
        if is_full:
            raise full
        write(sink, events)

    monkeypatch.setattr(JsonlSink, "write", write_if_there_is_room)
    bad = FaultySink(lambda _events: full if is_full else None)
    folder = start(tmp_path, bad)
    log(0, 1_000)
    assert not logflume.flush()
    is_full = False
    assert wait_until(logflume.flush)
    log(1_000, 1_100)
    assert logflume.shutdown()

    assert set(in_journal(folder)) <= {(e["attempt"], e["seq"]) for e in bad.events}
    assert totals("bad")["dropped"] <= totals("jsonl")["dropped"]
    assert is_at_rest("bad")
    assert is_at_rest("jsonl")
