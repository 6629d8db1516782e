"""All peers, measurement by measurement, each beside the floor and logflume."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.benchmarks.cost.figures import figures
from tests.benchmarks.cost.measurement import Measurement
from tests.benchmarks.cost.plan import GIL_BUSY, SCALARS_BURST
from tests.benchmarks.cost.processes import import_s, run
from tests.benchmarks.peers.catalogue import FLOOR, OURS, PEERS, TARGET_PEERS

__all__ = ["ask_imports", "measure_all", "summary"]

_REFERENCES = (FLOOR, OURS)


def measure_all(
    measurements: Sequence[Measurement], peers: Sequence[str], turns: int
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Measure each peer right after the floor and logflume, so that all see the same machine.

    Args:
        measurements: What to measure.
        peers: Whom.
        turns: How often where a target is about the peer: a machine that goes now faster and now
            slower may change between two that are compared.

    Returns:
        One entry a peer and measurement, and by peer why something is missing.
    """
    found: list[dict[str, Any]] = []
    missing: dict[str, str] = {}
    for what in measurements:
        print(f"\n{what.label()}", file=sys.stderr)
        results: dict[str, dict[int, dict[str, Any]]] = {}
        others = [peer for peer in peers if peer not in _REFERENCES] or [OURS]
        each = [peer for peer in others for _ in range(turns if _is_target(peer, what) else 1)]
        for turn, peer in enumerate(each):
            for name in dict.fromkeys((*_REFERENCES, peer)):
                _measure_one(name, what, turn, results, missing)
        found += [summary(name, what, results) for name in results]
    return found, missing


def _is_target(peer: str, what: Measurement) -> bool:
    return peer in TARGET_PEERS and what.label() in (SCALARS_BURST, GIL_BUSY)


def _measure_one(
    name: str,
    what: Measurement,
    turn: int,
    results: dict[str, dict[int, dict[str, Any]]],
    missing: dict[str, str],
) -> None:
    reason = PEERS[name].no_completions if what.work == "completions" else ""
    if not reason:
        try:
            results.setdefault(name, {})[turn] = run(name, what)
        except RuntimeError as error:
            reason = f"{what.label()}: {error}"
    if reason:
        results.pop(name, None)
        missing[name] = reason
    shown = "failed" if reason else f"{len(results[name][turn]['took_ns']):,} calls"
    print(f"  {name:28}{shown}", file=sys.stderr, flush=True)


def summary(
    name: str, what: Measurement, results: Mapping[str, Mapping[int, dict[str, Any]]]
) -> dict[str, Any]:
    """Return the figures of a peer; the calls of several processes are put together.

    `ours_p50` and `ours_cpu` are logflume's in times of the peer's, measured in the same turn; the
    median of all turns.

    Args:
        name: The peer.
        what: What was measured.
        results: What was found of each peer, by turn.
    """
    parts = list(results[name].values())
    pairs = [
        (results[OURS][turn], part)
        for turn, part in results[name].items()
        if turn in results.get(OURS, {})
    ]
    took_ns = [ns for part in parts for ns in part["took_ns"]]
    calls = max(1, len(took_ns))
    return {
        "peer": name,
        **what._asdict(),
        "label": what.label(),
        "processes": len(parts),
        **figures(took_ns),
        "ours_p50": _median_ratio(pairs, lambda part: statistics.median(part["took_ns"])),
        "ours_cpu": _median_ratio(pairs, lambda part: part["cpu_s"] / len(part["took_ns"])),
        "cpu_us_per_call": sum(part["cpu_s"] for part in parts) / calls * 1e6,
        "disk_bytes_per_call": sum(part["disk_bytes"] for part in parts) / calls,
        "peak_bytes": statistics.median(part["peak_bytes"] for part in parts),
        "calling_s": statistics.median(part["calling_s"] for part in parts),
        "close_s": statistics.median(part["close_s"] for part in parts),
    }


def _median_ratio(
    pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]],
    figure: Callable[[dict[str, Any]], float],
) -> float | None:
    ratios = [figure(ours) / figure(theirs) for ours, theirs in pairs]
    return statistics.median(ratios) if ratios else None


def ask_imports(tries: int, peers: Sequence[str]) -> dict[str, float | None]:
    """Return the seconds that each peer's import takes, the median; None: it can't be imported."""
    taken: dict[str, float | None] = {}
    for name in peers:
        try:
            taken[name] = statistics.median(import_s(PEERS[name].imports) for _ in range(tries))
        except RuntimeError:
            taken[name] = None
    return taken
