"""A bad sink beside a good one: what the tests of isolation log into."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import logflume
from logflume.protocols import Event
from logflume.testing import MemorySink
from tests.event_helpers import own


@contextmanager
def logging_to(folder: Path, bad: Any, **config: Any) -> Iterator[MemorySink]:
    """Log into a bad sink and, beside it, into one that remembers."""
    good = MemorySink()
    logflume.initialize(
        {
            "root": {"level": "DEBUG", "sinks": ["bad", "good"]},
            "sinks": {"bad": bad, "good": good},
            "buffer": {"flush_interval_s": 0.005},
            **config,
        },
        dir=folder,
    )
    try:
        yield good
    finally:
        logflume.shutdown()


def totals(name: str = "bad") -> dict[str, int]:
    report = logflume.report()
    assert report is not None
    return report.sinks[name]


def assert_honest() -> None:
    for name in ("bad", "good"):
        counts = totals(name)
        assert counts["accepted"] == counts["written"] + counts["dropped"]
        reasons = sum(n for reason, n in counts.items() if reason.startswith("dropped/"))
        assert reasons == counts["dropped"]


def statuses(events: Sequence[Event], component: str = "bad") -> list[str]:
    return [e["status"] for e in events if e.get("component") == component]


def numbers(events: Sequence[Event]) -> list[int]:
    return [int(e["number"]) for e in own(list(events))]
