"""Logging a batch of events at the price of one."""

from __future__ import annotations

import time

from logflume.hub import HUB
from logflume.pipeline.items import Deferred
from logflume.training.rollouts import Rollouts

__all__ = ["log_rollouts"]


def log_rollouts(rollouts: Rollouts) -> None:
    """Log a batch of rollouts; the worker makes its events, once a GPU has made its copies."""
    events = len(rollouts.completions) + 2
    HUB.buffer.put(Deferred(time.time_ns(), HUB.position, rollouts.entries, events))
