"""Helpers of the `watch_training` tests: synthetic series, and the alerts that they raise."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

import logflume
from logflume.processors.watch_training import WatchTraining
from logflume.protocols import Event
from logflume.testing import capture_events
from tests.event_helpers import own

WINDOW = 20
Report = dict[str, Any]


def watch(reports: Iterable[Report], event_type: str = "training", **options: Any) -> list[Event]:
    """Log one event per step through the pipeline, and return the alerts."""
    with capture_events("tag_step", "flatten_rewards", WatchTraining(**options)) as events:
        log = logflume.get_logger("training")
        for step, report in enumerate(reports):
            log.info(event_type, **{"step": step, "mode": "train", **report})
    return [event for event in own(events) if event["event"] == "alert"]


def signals(reports: Iterable[Report], event_type: str = "training", **options: Any) -> list[str]:
    """Log one event per step through the pipeline, and return the signals of the alerts."""
    return [event["signal"] for event in watch(reports, event_type, **options)]


def noisy(level: float, count: int = 3 * WINDOW, noise: float = 0.1) -> list[float]:
    """Return values with noise around a level, always the same ones."""
    rng = random.Random(0)
    return [level * (1 + rng.uniform(-noise, noise)) for _ in range(count)]


def reports(**columns: Sequence[float]) -> list[Report]:
    """Turn columns into reports; `__` in a name stands for `/`."""
    names = [name.replace("__", "/") for name in columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def rising(start: float, end: float, count: int = 3 * WINDOW) -> list[float]:
    """Return values on a straight line."""
    return [start + (end - start) * step / (count - 1) for step in range(count)]
