"""Runs the benchmarks of logflume alone, each in a process of its own."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from typing import Any

from tests.benchmarks.cost.plan import Plan
from tests.benchmarks.cost.subprocesses import import_s, run_module

__all__ = ["BENCHMARKS", "run_solo"]

BENCHMARKS = ("worst", "filtered", "sustained", "memory", "overload", "import", "demo")

_FILTERED_CALLS = 200_000
_MIN_EVENTS_PER_S = 1_000
_DEMO_TIMEOUT_S = 1_200.0


def run_solo(plan: Plan, only: str | None = None) -> dict[str, Any]:
    """Run all benchmarks of the plan, or only one.

    Returns:
        The results by benchmark, or `{"failed": …}` with the reason.
    """
    benchmarks: dict[str, Callable[[], dict[str, Any]]] = {
        "worst": lambda: _run("worst", plan.worst_minutes, plan.worst_minutes * 60),
        "filtered": lambda: _run("filtered", _FILTERED_CALLS, 60),
        "sustained": lambda: _run_events("sustained", plan.sustained_events),
        "memory": lambda: _run_events("memory", plan.memory_events),
        "overload": lambda: _run_events("overload", plan.overload_events),
        "import": lambda: _time_import(plan.import_repeats),
    }
    if plan.has_demo or only == "demo":
        benchmarks["demo"] = lambda: run_module(
            "tests.benchmarks.capture_cost", [], _DEMO_TIMEOUT_S
        )
    results: dict[str, Any] = {}
    for name, run in benchmarks.items():
        if only is not None and name != only:
            continue
        try:
            results[name] = run()
        except RuntimeError as error:
            results[name] = {"failed": str(error)}
        print(f"{name}: {results[name]}", file=sys.stderr, flush=True)
    return results


def _run(name: str, amount: float, seconds: float) -> dict[str, Any]:
    return run_module("tests.benchmarks.cost.solo", [name, json.dumps(amount)], seconds + 120)


def _run_events(name: str, events: int) -> dict[str, Any]:
    return _run(name, events, events / _MIN_EVENTS_PER_S)


def _time_import(repeats: int) -> dict[str, Any]:
    pairs: list[tuple[float, float]] = [
        (import_s("structlog"), import_s("structlog, logflume")) for _ in range(repeats)
    ]
    alone_s, both_s = (statistics.median(times) for times in zip(*pairs, strict=True))
    return {"structlog_s": alone_s, "added_s": both_s - alone_s}
