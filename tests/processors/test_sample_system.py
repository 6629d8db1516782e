"""`sample_system`: `system` events at a fixed interval."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from pathlib import Path
from queue import Queue
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

import logflume
from logflume.processors.sample_system import SampleSystem
from logflume.runs.info import RunInfo

LONG_INTERVAL_S = 3600.0
DEADLINE_S = 60.0


class Call(NamedTuple):
    """A call of `info` on a logger, with its time."""

    logger: str
    event: str
    fields: dict[str, Any]
    at_s: float


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Queue[Call]:
    """The calls of `info` on loggers of logflume, in order."""
    calls: Queue[Call] = Queue()

    def get_logger(name: str) -> SimpleNamespace:
        def info(event: str, **fields: Any) -> None:
            calls.put(Call(name, event, fields, time.monotonic()))

        return SimpleNamespace(info=info)

    monkeypatch.setattr(logflume, "get_logger", get_logger, raising=False)
    return calls


def sampling_threads() -> set[threading.Thread]:
    """Return the running sampling threads."""
    return {thread for thread in threading.enumerate() if thread.name == "logflume-system"}


def test_a_system_event_is_logged_every_interval(logged: Queue[Call], tmp_path: Path) -> None:
    """The events are logged through the logger `system`, at least one interval apart."""
    run = RunInfo(run="r", dir=tmp_path)
    with closing(SampleSystem(interval_s=0.02, run=run)):
        calls = [logged.get(timeout=DEADLINE_S) for _ in range(3)]

    assert [("system", "system")] * 3 == [(call.logger, call.event) for call in calls]
    assert all("process_memory_bytes" in call.fields for call in calls)
    assert calls[1].at_s - calls[0].at_s >= 0.02
    assert calls[2].at_s - calls[1].at_s >= 0.02


def test_the_disk_is_that_of_the_run(logged: Queue[Call], tmp_path: Path) -> None:
    """Free space is measured at the run's folder, even before it exists."""
    run = RunInfo(run="r", dir=tmp_path / "not" / "there" / "yet")
    with closing(SampleSystem(interval_s=0.001, run=run)):
        call = logged.get(timeout=DEADLINE_S)

    assert call.fields["disk_free_bytes"] > 0


def test_events_pass_unchanged() -> None:
    """The processor returns the same event object, unchanged."""
    event = {"event": "training", "loss": 0.5}
    with closing(SampleSystem(interval_s=LONG_INTERVAL_S)) as processor:
        returned = processor(None, "info", event)

    assert event is returned
    assert {"event": "training", "loss": 0.5} == event


def test_closing_ends_the_thread(logged: Queue[Call]) -> None:
    """`close()` ends the thread in the middle of an hour's pause; nothing is logged or returned."""
    others = sampling_threads()
    processor = SampleSystem(interval_s=LONG_INTERVAL_S)
    (thread,) = sampling_threads() - others

    assert thread.daemon
    assert () == processor.close()
    assert not thread.is_alive()
    assert logged.empty()


def test_closing_does_not_wait_for_a_stuck_log_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """`close()` returns while the thread is blocked in a log call; the thread ends after it."""
    entered, release = threading.Event(), threading.Event()

    def info(event: str, **fields: Any) -> None:
        entered.set()
        release.wait(DEADLINE_S)

    monkeypatch.setattr(
        logflume, "get_logger", lambda name: SimpleNamespace(info=info), raising=False
    )
    others = sampling_threads()
    processor = SampleSystem(interval_s=0.001)
    (thread,) = sampling_threads() - others
    assert entered.wait(DEADLINE_S)

    processor.close()
    assert thread.is_alive()
    release.set()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


@pytest.mark.parametrize("interval_s", [0, -1, float("nan"), float("inf")])
def test_invalid_interval(interval_s: float) -> None:
    """The error names the option and the value."""
    with pytest.raises(ValueError, match=f"interval_s must be .* not {interval_s}"):
        SampleSystem(interval_s=interval_s)
