"""The identity of a run, at the path from which sinks import it."""

from __future__ import annotations

from logflume.runs.info import RunInfo

__all__ = ["RunInfo"]
