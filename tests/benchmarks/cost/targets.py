"""The targets, and whether they are met."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.benchmarks.cost.plan import GIL_BUSY, SCALARS_BURST
from tests.benchmarks.peers.catalogue import FLOOR, OURS, STRUCTLOG, WRITER

__all__ = ["Target", "judge"]


class Target(NamedTuple):
    """One target. `is_met` is None where it could not be measured."""

    what: str
    target: str
    measured: str
    is_met: bool | None


def judge(measurements: list[dict[str, Any]], ours: dict[str, Any]) -> list[Target]:
    """Return all targets with what was measured; what was not measured is said, too."""
    by_label: dict[str, dict[str, dict[str, Any]]] = {}
    for entry in measurements:
        by_label.setdefault(entry["label"], {})[entry["peer"]] = entry
    burst, busy = by_label.get(SCALARS_BURST, {}), by_label.get(GIL_BUSY, {})
    return [
        *(_ratio(where, FLOOR, "ours_p50", 1.5) for where in (burst, busy)),
        *(_ratio(where, STRUCTLOG, "ours_p50", 1 / 4) for where in (burst, busy)),
        *(_ratio(where, WRITER, "ours_p50", 1 / 400) for where in (burst, busy)),
        *_tail(busy),
        _worst(ours),
        _cpu(burst),
        _ratio(burst, WRITER, "ours_cpu", 1 / 25),
        _most("a call below the level, no fields", ours, "filtered", "ns", 200, "ns"),
        *_events(ours),
        _most("demo's step, with / without", ours, "demo", "ratio", 1.005, "", digits=4),
        _most("import, above structlog's", ours, "import", "added_s", 0.05, "s", digits=3),
    ]


def _ratio(where: dict[str, dict[str, Any]], other: str, key: str, most: float) -> Target:
    kind = {"ours_p50": "caller's p50", "ours_cpu": "whole CPU a step"}[key]
    label = next(iter(where.values()))["label"].partition(", ")[2] if where else "not measured"
    wanted = f"≤ {most:g}" if most >= 1 else f"≤ 1/{1 / most:g}"
    what = f"{kind} / {other}'s ({label})"
    ratio = where.get(other, {}).get(key)
    if ratio is None:
        return Target(what, wanted, "not measured", None)
    told = f"{ratio:.2f}" if most >= 1 else f"1/{1 / ratio:.1f}"
    return Target(what, wanted, told, ratio <= most)


def _tail(busy: dict[str, dict[str, Any]]) -> list[Target]:
    tails = {name: entry["p999_us"] for name, entry in busy.items() if entry["p999_us"]}
    mine = tails.pop(OURS, None)
    tails.pop(FLOOR, None)
    what = "caller's p99.9 (1,000/s, GIL busy)"
    if mine is None or not tails:
        return [Target(what, "≤ 100 µs", "not measured", None)]
    best = min(tails, key=lambda name: float(tails[name]))
    return [
        Target(what, "≤ 100 µs", f"{mine:.0f} µs", mine <= 100),
        Target(
            f"{what} / the best peer's ({best})",
            "< 1",
            f"{mine / tails[best]:.2f}",
            mine < tails[best],
        ),
    ]


def _cpu(burst: dict[str, dict[str, Any]]) -> Target:
    found = burst.get(OURS, {})
    return _most("whole CPU a step", {"cpu": found}, "cpu", "cpu_us_per_call", 60, "µs")


def _worst(ours: dict[str, Any]) -> Target:
    target = _most("worst call, paced at 1,000/s", ours, "worst", "worst_us", 5_000, "µs")
    found = ours.get("worst", {})
    if "floor" not in found:
        return target
    # Both are stopped by the machine now and then, whatever they do.
    beside = f"the floor's at the same time {found['floor']['worst_us']:,.0f} µs"
    return target._replace(measured=f"{target.measured}; {beside}")


def _events(ours: dict[str, Any]) -> list[Target]:
    found = ours.get("sustained", {})
    what, target = "sustained on one core, nothing dropped", "≥ 20,000 events/s"
    if "events_per_s" in found:
        rate, dropped = found["events_per_s"], found["dropped"]
        told = f"{rate:,.0f} events/s" + (f", {dropped} dropped" if dropped else "")
        rates = [Target(what, target, told, rate >= 20_000 and not dropped)]
    else:
        rates = [Target(what, target, "not measured", None)]
    return [*rates, _flat(ours.get("memory", {}))]


def _flat(found: dict[str, Any]) -> Target:
    if "peak_bytes" not in found:
        return Target("memory", "flat, ≤ 150 MB", "not measured", None)
    first, last, peak = (
        found[key] / 1e6 for key in ("first_tenth_bytes", "last_tenth_bytes", "peak_bytes")
    )
    told = f"{first:.0f} MB in the first tenth, {last:.0f} in the last, {peak:.0f} at most"
    what = (
        f"memory above an idle process, over {found['events']:,} events at {found['rate']:,.0f}/s"
    )
    is_met = peak <= 150 and last <= first * 1.1
    return Target(what, "flat (last tenth ≤ 1.1 × first), ≤ 150 MB", told, is_met)


def _most(
    what: str,
    ours: dict[str, Any],
    question: str,
    key: str,
    most: float,
    unit: str,
    digits: int = 0,
) -> Target:
    wanted = f"≤ {most:,g} {unit}".rstrip()
    value = ours.get(question, {}).get(key)
    if value is None:
        return Target(what, wanted, "not measured", None)
    return Target(what, wanted, f"{value:,.{digits}f} {unit}".rstrip(), value <= most)
