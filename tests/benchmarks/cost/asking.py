"""What only logflume is asked, each question in a process of its own."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from typing import Any

from tests.benchmarks.cost.plan import Plan
from tests.benchmarks.cost.processes import import_s, run_module

__all__ = ["QUESTIONS", "ask_ours"]

QUESTIONS = ("worst", "filtered", "sustained", "memory", "overload", "import", "demo")

_FILTERED_CALLS = 200_000
_SLOWEST_EVENTS_PER_S = 1_000
_DEMO_PATIENCE_S = 1_200.0


def ask_ours(plan: Plan, only: str | None = None) -> dict[str, Any]:
    """Return what only logflume is asked, by question."""
    asked: dict[str, Callable[[], dict[str, Any]]] = {
        "worst": lambda: _ask("worst", plan.worst_minutes, plan.worst_minutes * 60),
        "filtered": lambda: _ask("filtered", _FILTERED_CALLS, 60),
        "sustained": lambda: _ask_events("sustained", plan.sustained_events),
        "memory": lambda: _ask_events("memory", plan.memory_events),
        "overload": lambda: _ask_events("overload", plan.overload_events),
        "import": lambda: _ask_import(plan.import_tries),
    }
    if plan.has_demo or only == "demo":
        asked["demo"] = lambda: run_module("tests.benchmarks.capture_cost", [], _DEMO_PATIENCE_S)
    found: dict[str, Any] = {}
    for question, ask in asked.items():
        if only is not None and question != only:
            continue
        try:
            found[question] = ask()
        except RuntimeError as error:
            found[question] = {"failed": str(error)}
        print(f"{question}: {found[question]}", file=sys.stderr, flush=True)
    return found


def _ask(question: str, amount: float, seconds: float) -> dict[str, Any]:
    return run_module("tests.benchmarks.cost.ours", [question, json.dumps(amount)], seconds + 120)


def _ask_events(question: str, events: int) -> dict[str, Any]:
    return _ask(question, events, events / _SLOWEST_EVENTS_PER_S)


def _ask_import(tries: int) -> dict[str, Any]:
    taken: list[tuple[float, float]] = [
        (import_s("structlog"), import_s("structlog, logflume")) for _ in range(tries)
    ]
    alone_s, with_us_s = (statistics.median(times) for times in zip(*taken, strict=True))
    return {"structlog_s": alone_s, "added_s": with_us_s - alone_s}
