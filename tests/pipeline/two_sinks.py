"""Helpers for isolation tests: a run with a faulty and a healthy sink."""

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
def log_to_two_sinks(folder: Path, faulty: Any, **config: Any) -> Iterator[MemorySink]:
    """Start a run with a faulty and a healthy sink; yield the healthy one, and shut down."""
    healthy = MemorySink()
    logflume.initialize(
        {
            "root": {"level": "DEBUG", "sinks": ["faulty", "healthy"]},
            "sinks": {"faulty": faulty, "healthy": healthy},
            "buffer": {"flush_interval_s": 0.005},
            **config,
        },
        dir=folder,
    )
    try:
        yield healthy
    finally:
        logflume.shutdown()


def sink_counts(name: str = "faulty") -> dict[str, int]:
    report = logflume.report()
    assert report is not None
    return report.sinks[name]


def assert_counts_add_up() -> None:
    for name in ("faulty", "healthy"):
        counts = sink_counts(name)
        assert counts["accepted"] == counts["written"] + counts["dropped"]
        reasons = sum(n for reason, n in counts.items() if reason.startswith("dropped/"))
        assert reasons == counts["dropped"]


def statuses(events: Sequence[Event], component: str = "faulty") -> list[str]:
    return [e["status"] for e in events if e.get("component") == component]


def numbers(events: Sequence[Event]) -> list[int]:
    return [int(e["number"]) for e in own(list(events))]
