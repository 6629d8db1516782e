"""All peers, measurement by measurement, in rounds that begin with the baseline and logflume."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.benchmarks.cost.latency import latency_summary
from tests.benchmarks.cost.measurement import Measurement
from tests.benchmarks.cost.plan import GIL_BUSY, SCALARS_BURST
from tests.benchmarks.cost.subprocesses import import_s, run_measurement
from tests.benchmarks.peers.peer_list import BASELINE, OURS, PEERS, TARGET_PEERS

__all__ = ["measure_imports", "measure_peers", "peer_summary"]

_REFERENCES = (BASELINE, OURS)
_ROUND_SIZE = 4
"""Peers that are measured once share the references of a round: at most this many."""


def measure_peers(
    measurements: Sequence[Measurement], peers: Sequence[str], repeats: int
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Measure each peer in a round that begins with the baseline and logflume.

    Args:
        measurements: The measurements to make.
        peers: The names of the peers.
        repeats: How many rounds to make of the peers that a target refers to, because the CPU's
            clock speed may change between two measurements that are compared.

    Returns:
        One entry per peer and measurement; by peer, why a measurement is missing.
    """
    entries: list[dict[str, Any]] = []
    missing: dict[str, str] = {}
    for measurement in measurements:
        print(f"\n{measurement.label()}", file=sys.stderr)
        results: dict[str, dict[int, dict[str, Any]]] = {}
        for index, others in enumerate(_rounds(measurement, peers, repeats)):
            for name in (*_REFERENCES, *others):
                _measure_peer(name, measurement, index, results, missing)
        entries += [peer_summary(name, measurement, results) for name in results]
    return entries, missing


def _rounds(measurement: Measurement, peers: Sequence[str], repeats: int) -> list[list[str]]:
    """Return the peers of each round, apart from the references; at least one round."""
    others = [peer for peer in peers if peer not in _REFERENCES]
    has_targets = measurement.label() in (SCALARS_BURST, GIL_BUSY)
    repeated = [peer for peer in others if has_targets and peer in TARGET_PEERS]
    once = [peer for peer in others if peer not in repeated]
    batches = [once[n : n + _ROUND_SIZE] for n in range(0, len(once), _ROUND_SIZE)]
    return [*([repeated] * repeats if repeated else []), *batches] or [[]]


def _measure_peer(
    name: str,
    measurement: Measurement,
    index: int,
    results: dict[str, dict[int, dict[str, Any]]],
    missing: dict[str, str],
) -> None:
    reason = PEERS[name].no_completions if measurement.workload == "completions" else ""
    if not reason:
        try:
            results.setdefault(name, {})[index] = run_measurement(name, measurement)
        except RuntimeError as error:
            reason = f"{measurement.label()}: {error}"
    if reason:
        results.pop(name, None)
        missing[name] = reason
    shown = "failed" if reason else f"{len(results[name][index]['took_ns']):,} calls"
    print(f"  {name:28}{shown}", file=sys.stderr, flush=True)


def peer_summary(
    name: str, measurement: Measurement, results: Mapping[str, Mapping[int, dict[str, Any]]]
) -> dict[str, Any]:
    """Return the costs of a peer, over the calls of all its processes.

    `ours_p50` and `ours_cpu` are the ratios of logflume's costs to the peer's, as measured in the
    same round: the lowest, the median and the highest of all rounds.

    Args:
        name: The peer.
        measurement: The measurement.
        results: The results of each peer, by round.
    """
    parts = list(results[name].values())
    pairs = [
        (results[OURS][index], part)
        for index, part in results[name].items()
        if index in results.get(OURS, {})
    ]
    took_ns = [ns for part in parts for ns in part["took_ns"]]
    calls = max(1, len(took_ns))
    return {
        "peer": name,
        **measurement._asdict(),
        "label": measurement.label(),
        "processes": len(parts),
        **latency_summary(took_ns),
        "ours_p50": _ratios(pairs, lambda part: statistics.median(part["took_ns"])),
        "ours_cpu": _ratios(pairs, lambda part: part["cpu_s"] / len(part["took_ns"])),
        "cpu_us_per_call": sum(part["cpu_s"] for part in parts) / calls * 1e6,
        "disk_bytes_per_call": sum(part["disk_bytes"] for part in parts) / calls,
        "peak_bytes": statistics.median(part["peak_bytes"] for part in parts),
        "calling_s": statistics.median(part["calling_s"] for part in parts),
        "close_s": statistics.median(part["close_s"] for part in parts),
    }


def _ratios(
    pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]],
    cost: Callable[[dict[str, Any]], float],
) -> list[float] | None:
    ratios = [cost(ours) / cost(theirs) for ours, theirs in pairs]
    return [min(ratios), statistics.median(ratios), max(ratios)] if ratios else None


def measure_imports(repeats: int, peers: Sequence[str]) -> dict[str, float | None]:
    """Return the median import time of each peer in seconds; None if the import fails."""
    seconds: dict[str, float | None] = {}
    for name in peers:
        try:
            seconds[name] = statistics.median(import_s(PEERS[name].imports) for _ in range(repeats))
        except RuntimeError:
            seconds[name] = None
    return seconds
