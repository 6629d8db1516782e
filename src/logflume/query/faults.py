"""What a run records incompletely, as its pipeline reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from logflume.query.questions import Questions

__all__ = ["read_faults"]

_FAULTS = ("failed", "limited", "recovered")
_FIELDS = ("timestamp", "level", "step", "rank", "component", "reason", "message")


def read_faults(run: Questions) -> list[dict[str, Any]]:
    """Return the faults of sinks and processors, and the losses, in the order of their reports.

    A sink that recovered, so that it accepts events again, is one of them. Each one has a
    `message`; of `timestamp`, `level`, `step`, `rank`, `component` and `reason`, it
    has those that the report has.

    Args:
        run: The run.

    Raises:
        RunError: A file is damaged.
    """
    if "pipeline" not in run.event_types():
        return []
    return list(_faults(run.events("pipeline").to_pylist()))


def _faults(reports: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for report in reports:
        fault = {name: report[name] for name in _FIELDS if report.get(name) is not None}
        if report.get("status") in _FAULTS:
            yield {"message": "The pipeline reported a fault.", **fault}
        elif losses := _losses(report):
            yield {**fault, "message": f"Events dropped: {losses}."}


def _losses(report: Mapping[str, Any]) -> str:
    """Return how many events were dropped, and by what; empty if none was."""
    counts = {"buffer": report.get("dropped")} | {
        name.removeprefix("sinks/").removesuffix("/dropped"): count
        for name, count in report.items()
        if name.startswith("sinks/") and name.endswith("/dropped")
    }
    return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
