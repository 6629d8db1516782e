"""The performance targets, and whether a run of the benchmark meets them."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.benchmarks.cost.plan import GIL_BUSY, SCALARS_BURST
from tests.benchmarks.peers.peer_list import BASELINE, OURS, STRUCTLOG, WRITER

__all__ = ["Target", "evaluate_targets"]

_NOT_MEASURED = "not measured"


class Target(NamedTuple):
    """One target.

    Attributes:
        metric: What is measured.
        target: The bound, as text.
        measured: The measured value, as text.
        is_met: Whether it is met; None if it was not measured.
    """

    metric: str
    target: str
    measured: str
    is_met: bool | None


def evaluate_targets(measurements: list[dict[str, Any]], ours: dict[str, Any]) -> list[Target]:
    """Return all targets, including those that were not measured.

    Args:
        measurements: The costs of all peers.
        ours: The results of the benchmarks of logflume alone.
    """
    by_label: dict[str, dict[str, dict[str, Any]]] = {}
    for entry in measurements:
        by_label.setdefault(entry["label"], {})[entry["peer"]] = entry
    burst, busy = by_label.get(SCALARS_BURST, {}), by_label.get(GIL_BUSY, {})
    return [
        *(_ratio(entries, BASELINE, "ours_p50", 1.5) for entries in (burst, busy)),
        *(_ratio(entries, STRUCTLOG, "ours_p50", 1 / 4) for entries in (burst, busy)),
        *(_ratio(entries, WRITER, "ours_p50", 1 / 400) for entries in (burst, busy)),
        *_tail(busy),
        _worst(ours),
        _cpu(burst),
        _ratio(burst, WRITER, "ours_cpu", 1 / 25),
        _at_most("filtered call, no fields", ours, "filtered", "ns", 200, "ns"),
        *_events(ours),
        _capture(ours.get("demo", {})),
        _at_most(
            "import, in addition to structlog", ours, "import", "added_s", 0.05, "s", digits=3
        ),
    ]


def _ratio(entries: dict[str, dict[str, Any]], other: str, key: str, bound: float) -> Target:
    cost = {"ours_p50": "p50 of a step", "ours_cpu": "CPU per step"}[key]
    first = next(iter(entries.values()), None)
    label = first["label"].partition(", ")[2] if first else _NOT_MEASURED
    target = f"≤ {bound:g}" if bound >= 1 else f"≤ 1/{1 / bound:g}"
    metric = f"{cost}, relative to {other} ({label})"
    ratios = entries.get(other, {}).get(key)
    if ratios is None:
        return Target(metric, target, _NOT_MEASURED, None)
    low, median, high = (f"{r:.2f}" if r > 0.5 else f"1/{1 / r:.1f}" for r in ratios)
    return Target(metric, target, f"{median} ({low} to {high})", ratios[1] <= bound)


def _tail(busy: dict[str, dict[str, Any]]) -> list[Target]:
    tails = {name: entry["p999_us"] for name, entry in busy.items() if entry["p999_us"]}
    ours = tails.pop(OURS, None)
    tails.pop(BASELINE, None)
    metric = "p99.9 of a step (1,000/s, GIL busy)"
    if ours is None or not tails:
        return [Target(metric, "≤ 100 µs", _NOT_MEASURED, None)]
    best = min(tails, key=lambda name: float(tails[name]))
    return [
        Target(metric, "≤ 100 µs", f"{ours:.0f} µs", ours <= 100),
        Target(
            f"{metric}, relative to the best peer ({best})",
            "< 1",
            f"{ours / tails[best]:.2f}",
            ours < tails[best],
        ),
    ]


def _cpu(burst: dict[str, dict[str, Any]]) -> Target:
    entry = burst.get(OURS, {})
    return _at_most("CPU per step", {"cpu": entry}, "cpu", "cpu_us_per_call", 60, "µs")


def _worst(ours: dict[str, Any]) -> Target:
    result = ours.get("worst", {})
    period = f" in {result['minutes']:g} minutes" if "minutes" in result else ""
    metric = f"slowest step{period} (1,000/s)"
    target = _at_most(metric, ours, "worst", "worst_us", 5_000, "µs")
    if "baseline" not in result:
        return target
    # The operating system interrupts both from time to time, whatever they do.
    baseline = f"baseline in the same period: {result['baseline']['worst_us']:,.0f} µs"
    return target._replace(measured=f"{target.measured}; {baseline}")


def _events(ours: dict[str, Any]) -> list[Target]:
    result = ours.get("sustained", {})
    metric = "sustained rate on one core, nothing dropped (every second event has 192 rewards)"
    target = "≥ 20,000 events/s"
    if "events_per_s" in result:
        rate, dropped = result["events_per_s"], result["dropped"]
        measured = f"{rate:,.0f} events/s" + (f", {dropped} dropped" if dropped else "")
        rates = [Target(metric, target, measured, rate >= 20_000 and not dropped)]
    else:
        rates = [Target(metric, target, _NOT_MEASURED, None)]
    return [*rates, _flat_memory(ours.get("memory", {}))]


def _flat_memory(result: dict[str, Any]) -> Target:
    if "peak_bytes" not in result:
        return Target("memory", "flat, ≤ 150 MB", _NOT_MEASURED, None)
    first, last, peak = (
        result[key] / 1e6 for key in ("first_tenth_bytes", "last_tenth_bytes", "peak_bytes")
    )
    measured = f"{first:.0f} MB in the first tenth, {last:.0f} in the last, {peak:.0f} at most"
    metric = (
        f"memory above an idle process, over {result['events']:,} events at {result['rate']:,.0f}/s"
    )
    is_met = peak <= 150 and last <= first * 1.1
    return Target(metric, "flat (last tenth ≤ 1.1 × first), ≤ 150 MB", measured, is_met)


def _capture(result: dict[str, Any]) -> Target:
    metric, target = "demo step, with / without capture", "≤ 1.005"
    if "ratio" not in result:
        return Target(metric, target, _NOT_MEASURED, None)
    low, ratio, high = (result[key] for key in ("ratio_low", "ratio", "ratio_high"))
    measured = f"{ratio:.4f} (95% interval: {low:.4f} to {high:.4f})"
    return Target(metric, target, measured, ratio <= 1.005)


def _at_most(
    metric: str,
    ours: dict[str, Any],
    benchmark: str,
    key: str,
    bound: float,
    unit: str,
    digits: int = 0,
) -> Target:
    target = f"≤ {bound:,g} {unit}".rstrip()
    value = ours.get(benchmark, {}).get(key)
    if value is None:
        return Target(metric, target, _NOT_MEASURED, None)
    return Target(metric, target, f"{value:,.{digits}f} {unit}".rstrip(), value <= bound)
