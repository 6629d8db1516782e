"""All peers, measurement by measurement, each beside the floor and logflume."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from typing import Any

from tests.benchmarks.cost.figures import figures
from tests.benchmarks.cost.measurement import Measurement
from tests.benchmarks.cost.processes import import_s, run
from tests.benchmarks.peers.catalogue import FLOOR, OURS, PEERS

__all__ = ["ask_imports", "measure_all", "summary"]

_REFERENCES = (FLOOR, OURS)


def measure_all(
    measurements: Sequence[Measurement], peers: Sequence[str]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Measure each peer right after the floor and logflume, so that all see the same machine.

    Returns:
        One entry a peer and measurement, and by peer why something is missing.
    """
    found: list[dict[str, Any]] = []
    missing: dict[str, str] = {}
    for what in measurements:
        print(f"\n{what.label()}", file=sys.stderr)
        results: dict[str, list[dict[str, Any]]] = {}
        for peer in peers:
            turns = (peer,) if peer in _REFERENCES else (*_REFERENCES, peer)
            for name in turns:
                _measure_one(name, what, results, missing)
        found += [summary(name, what, parts) for name, parts in results.items()]
    return found, missing


def _measure_one(
    name: str,
    what: Measurement,
    results: dict[str, list[dict[str, Any]]],
    missing: dict[str, str],
) -> None:
    reason = PEERS[name].no_completions if what.work == "completions" else ""
    if not reason:
        try:
            results.setdefault(name, []).append(run(name, what))
        except RuntimeError as error:
            reason = f"{what.label()}: {error}"
    if reason:
        results.pop(name, None)
        missing[name] = reason
    shown = "failed" if reason else f"{len(results[name][-1]['took_ns']):,} calls"
    print(f"  {name:28}{shown}", file=sys.stderr, flush=True)


def summary(name: str, what: Measurement, parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of a peer; the calls of several processes are put together."""
    took_ns = [ns for part in parts for ns in part["took_ns"]]
    calls = max(1, len(took_ns))
    return {
        "peer": name,
        **what._asdict(),
        "label": what.label(),
        "processes": len(parts),
        **figures(took_ns),
        "cpu_us_per_call": sum(part["cpu_s"] for part in parts) / calls * 1e6,
        "disk_bytes_per_call": sum(part["disk_bytes"] for part in parts) / calls,
        "peak_bytes": statistics.median(part["peak_bytes"] for part in parts),
        "calling_s": statistics.median(part["calling_s"] for part in parts),
        "close_s": statistics.median(part["close_s"] for part in parts),
    }


def ask_imports(tries: int, peers: Sequence[str]) -> dict[str, float | None]:
    """Return the seconds that each peer's import takes, the median; None: it can't be imported."""
    taken: dict[str, float | None] = {}
    for name in peers:
        try:
            taken[name] = statistics.median(import_s(PEERS[name].imports) for _ in range(tries))
        except RuntimeError:
            taken[name] = None
    return taken
