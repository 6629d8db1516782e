"""Sinks whose code fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from unittest import mock

import logflume
from logflume.protocols import Event
from tests.fake_sinks import FaultySink, HangingSink, HeldSink
from tests.torture.busy import TYPES
from tests.torture.rig import BUSY, training
from tests.torture.tally import Tally

__all__ = ["a_sink_that_hangs", "a_sink_that_never_works", "a_sink_with_moods"]

JOURNAL = {"jsonl": BUSY["jsonl"]}
MOST_HELD = 500
JOURNAL_PIECE = 2_000
"""Events in 256 KB of the journal, at the most: what a sink is filled in with at a time."""


def a_sink_that_hangs(tally: Tally, random: Random, folder: Path) -> None:
    """A sink stands still, as one on a lost NFS server does: its queue is all that it costs."""
    held = HangingSink.held = HeldSink()
    policy = random.choice(("block", "drop_newest", "drop_oldest"))
    bad = {
        "type": "tests.fake_sinks:HangingSink",
        "queue": {"size": MOST_HELD, "when_full": policy},
    }
    with training(
        tally,
        f"a sink that hangs ({policy})",
        folder,
        {**JOURNAL, "bad": bad},
        shutdown_timeout_s=1,
    ) as rig:
        rig.log(2_000)
        rig.wait_for(held.entered.is_set, "the hanging sink is called")
        rig.log(2_000)
        logflume.shutdown()
    held.go.set()
    report = logflume.report()
    assert report is not None
    rig.expect(0, report.sinks["bad"]["written"], "written by the sink that hangs")


def a_sink_that_never_works(tally: Tally, random: Random, folder: Path) -> None:
    """A sink raises on every write: said once, and no more held for it than is allowed."""
    bad = FaultySink(lambda _events: OSError("no such thing"))
    with (
        mock.patch("logflume.pipeline.delivery.MAX_HELD", MOST_HELD),
        training(tally, "a sink that never works", folder, {**JOURNAL, "bad": bad}) as rig,
    ):
        for _ in range(20):
            rig.log(random.randint(1, 400))
            logflume.flush(0.1)
        most = MOST_HELD + JOURNAL_PIECE
        rig.wait_for(lambda: _held() <= most, f"held in memory stays below {most}")
    rig.expect(["failed"], rig.statuses("bad"), "reports")


def _held() -> int:
    """Return how many events the pipeline holds for the bad sink."""
    report = logflume.report()
    assert report is not None
    counts = report.sinks["bad"]
    return counts["accepted"] - counts["written"] - counts["dropped"]


def a_sink_with_moods(tally: Tally, random: Random, folder: Path) -> None:
    """A sink raises on some writes: it gets every event once, in order."""

    def fault(_events: Sequence[Event]) -> BaseException | None:
        if is_calm or random.random() < 0.5:
            return None
        tally.faults += 1
        return random.choice((OSError("busy"), ValueError("bad mood"), TimeoutError()))

    is_calm = False
    bad = FaultySink(fault)
    with (
        mock.patch("logflume.pipeline.delivery.FIRST_RETRY_S", 0.01),
        training(tally, "a sink with moods", folder, {**JOURNAL, "bad": bad}) as rig,
    ):
        for _ in range(20):
            rig.log(random.randint(1, 200))
            logflume.flush(0.1)
        is_calm = True
        rig.wait_for(lambda: logflume.flush(1.0), "it recovers")
    statuses = rig.statuses("bad")
    rig.expect(["failed", "recovered"] * (len(statuses) // 2), statuses, "reports take turns")
    numbers = [int(e["number"]) for e in bad.events if e["event"] in TYPES]
    report = logflume.report()
    assert report is not None
    missing = rig.logged - len(set(numbers))
    rig.expect(sorted(set(numbers)), numbers, "each event once, in order")
    rejected = report.sinks["bad"].get("dropped/rejected", 0)
    rig.expect(True, missing <= rejected, f"missing ({missing}) were rejected ({rejected})")
