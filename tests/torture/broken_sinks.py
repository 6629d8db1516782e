"""Sinks that hang or raise exceptions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from unittest import mock

import logflume
from logflume.protocols import Event
from tests.fake_sinks import FaultySink, HangingSink, HeldSink
from tests.torture.busy_run import TYPES
from tests.torture.harness import FILE_SINKS, training
from tests.torture.scenario_result import ScenarioResult

__all__ = ["failing_sink", "flaky_sink", "hanging_sink"]

JOURNAL = {"jsonl": FILE_SINKS["jsonl"]}
MAX_HELD = 500
CATCH_UP_BATCH = 2_000
"""The most events in 256 KB of the journal, which is what catch-up reads at a time."""


def hanging_sink(result: ScenarioResult, random: Random, folder: Path) -> None:
    """A sink hangs, as on an unreachable NFS server: it costs no more than its queue."""
    held = HangingSink.held = HeldSink()
    policy = random.choice(("block", "drop_newest", "drop_oldest"))
    bad = {
        "type": "tests.fake_sinks:HangingSink",
        "queue": {"size": MAX_HELD, "when_full": policy},
    }
    with training(
        result,
        f"a hanging sink ({policy})",
        folder,
        {**JOURNAL, "bad": bad},
        shutdown_timeout_s=1,
    ) as harness:
        harness.log(2_000)
        harness.wait_for(held.entered.is_set, "the hanging sink is called")
        harness.log(2_000)
        logflume.shutdown()
    held.go.set()
    report = logflume.report()
    assert report is not None
    harness.expect(0, report.sinks["bad"]["written"], "written by the hanging sink")


def failing_sink(result: ScenarioResult, random: Random, folder: Path) -> None:
    """A sink raises on every write: it is reported once, and the events held for it are bounded."""
    bad = FaultySink(lambda _events: OSError("no such thing"))
    with (
        mock.patch("logflume.pipeline.guarded_sink.MAX_HELD_EVENTS", MAX_HELD),
        training(result, "a failing sink", folder, {**JOURNAL, "bad": bad}) as harness,
    ):
        for _ in range(20):
            harness.log(random.randint(1, 400))
            logflume.flush(0.1)
        max_held = MAX_HELD + CATCH_UP_BATCH
        harness.wait_for(
            lambda: _held() <= max_held, f"no more than {max_held} events are held in memory"
        )
    harness.expect(["failed"], harness.statuses("bad"), "reports")


def _held() -> int:
    """Return how many events the pipeline holds for the bad sink."""
    report = logflume.report()
    assert report is not None
    counts = report.sinks["bad"]
    return counts["accepted"] - counts["written"] - counts["dropped"]


def flaky_sink(result: ScenarioResult, random: Random, folder: Path) -> None:
    """A sink raises on some writes: it receives every event once, in order."""

    def fault(_events: Sequence[Event]) -> BaseException | None:
        if is_stable or random.random() < 0.5:
            return None
        result.faults += 1
        return random.choice((OSError("busy"), ValueError("transient error"), TimeoutError()))

    is_stable = False
    bad = FaultySink(fault)
    with (
        mock.patch("logflume.pipeline.guarded_sink.FIRST_RETRY_S", 0.01),
        training(result, "a flaky sink", folder, {**JOURNAL, "bad": bad}) as harness,
    ):
        for _ in range(20):
            harness.log(random.randint(1, 200))
            logflume.flush(0.1)
        is_stable = True
        harness.wait_for(lambda: logflume.flush(1.0), "the sink recovers")
    statuses = harness.statuses("bad")
    harness.expect(
        ["failed", "recovered"] * (len(statuses) // 2),
        statuses,
        "failures and recoveries alternate",
    )
    numbers = [int(e["number"]) for e in bad.events if e["event"] in TYPES]
    report = logflume.report()
    assert report is not None
    missing = harness.logged - len(set(numbers))
    harness.expect(sorted(set(numbers)), numbers, "each event once, in order")
    rejected = report.sinks["bad"].get("dropped/rejected", 0)
    harness.expect(True, missing <= rejected, f"missing ({missing}) were rejected ({rejected})")
