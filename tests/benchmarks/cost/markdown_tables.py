"""The results as Markdown: figures are ratios, and one row of each column has the unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.benchmarks.cost.plan import GIL_BUSY, SCALARS_BURST, TEXTS_BURST
from tests.benchmarks.cost.targets import Target
from tests.benchmarks.peers.peer_list import BASELINE, OURS, PEERS

__all__ = ["format_number", "latency_table", "markdown", "resource_table", "target_table"]

Entry = dict[str, Any]
"""The costs of one peer, as `peer_summary` returns them."""

_MISSING = "–"


def format_number(value: float) -> str:
    """Return a number with two significant digits and separators: 0.35, 1.5, 27, 1,300."""
    if value >= 100:
        digits = len(str(int(value))) - 2
        return f"{round(value, -digits):,.0f}"
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def markdown(results: dict[str, Any]) -> str:
    """Return the section of docs/benchmarks.md: the machine, the versions, and the tables.

    Args:
        results: The content of the JSON file.
    """
    machine, versions = results["machine"], results["versions"]
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    missing = [f"- {name}: {reason}" for name, reason in results["missing"].items()]
    parts = [
        f"`{results['command']}` on {machine['cores']} cores ({machine['cpu']}, {machine['os']}, "
        f"{machine['python']}; GPU: {machine['gpu']}), {machine['date']}. Versions: {listed}.",
        "A step is 22 numbers, among them statistics of the rewards. The other libraries log "
        "these. logflume logs the step as a trainer does: `set_step`, an event with the 22 "
        "numbers, and one with the 192 rewards of 64 completions by three functions, as lists.",
        target_table([Target(*entry) for entry in results["targets"]]),
        "Time to log a step, relative to the baseline's median in the same column (the first row "
        "is in µs):",
        latency_table(results["measurements"]),
        "Other costs, relative to logflume's (whose row has the units); texts are 64 completions "
        "of 1 kB:",
        resource_table(results["measurements"], results["import_s"]),
    ]
    if missing:
        parts.append("Not measured:\n\n" + "\n".join(missing))
    return "\n\n".join(parts)


def target_table(targets: Sequence[Target]) -> str:
    """Return the table of targets and measured values."""
    met = {True: "yes", False: "**no**", None: _MISSING}
    rows = [[t.metric, t.target, t.measured, met[t.is_met]] for t in targets]
    return _table(["metric", "target", "measured", "met"], rows)


def latency_table(measurements: Sequence[Entry]) -> str:
    """Return the table of the times to log a step, relative to the baseline's median."""
    at = _by_label(measurements)
    columns: list[tuple[str, str, str]] = [
        (f"{pace}, {statistic}", label, key)
        for pace, label in (("full speed", SCALARS_BURST), ("1,000/s, GIL busy", GIL_BUSY))
        if label in at
        for statistic, key in (
            ("steps", "calls"),
            ("p50", "p50_us"),
            ("p99", "p99_us"),
            ("p99.9", "p999_us"),
            ("worst", "worst_us"),
        )
    ]
    rows = []
    for name in PEERS:
        cells = [_latency_cell(at[label], name, key) for _, label, key in columns]
        if any(cell != _MISSING for cell in cells):
            rows.append([name, *cells])
    return _table(["", *(title for title, _, _ in columns)], rows)


def _latency_cell(entries: dict[str, Entry], name: str, key: str) -> str:
    value = entries.get(name, {}).get(key)
    baseline = entries.get(BASELINE, {}).get("p50_us")
    if value is None or not baseline:
        return _MISSING
    if key == "calls":
        return f"{value:,}"
    if name == BASELINE:
        return f"{format_number(value)} µs"
    return f"{format_number(value / baseline)} ×"


def resource_table(measurements: Sequence[Entry], import_s: dict[str, float | None]) -> str:
    """Return the table of all other costs, relative to logflume's."""
    at = _by_label(measurements)
    burst, texts = at.get(SCALARS_BURST, {}), at.get(TEXTS_BURST, {})
    imports = {name: {"s": value} for name, value in import_s.items()}
    columns: list[tuple[str, dict[str, Any], str, Callable[[float], str]]] = [
        ("CPU per step", burst, "cpu_us_per_call", lambda us: f"{format_number(us)} µs"),
        ("disk per step", burst, "disk_bytes_per_call", lambda size: f"{format_number(size)} B"),
        ("peak memory", burst, "peak_bytes", lambda size: f"{format_number(size / 1e6)} MB"),
        ("close", burst, "close_s", lambda s: f"{format_number(s)} s"),
        ("import", imports, "s", lambda s: f"{format_number(s * 1e3)} ms"),
        ("texts: p50", texts, "p50_us", lambda us: f"{format_number(us)} µs"),
        ("texts: CPU", texts, "cpu_us_per_call", lambda us: f"{format_number(us / 1e3)} ms"),
        (
            "texts: disk",
            texts,
            "disk_bytes_per_call",
            lambda size: f"{format_number(size / 1e3)} kB",
        ),
    ]
    rows = []
    for name in PEERS:
        cells = [_cell(entries, name, key, with_unit) for _, entries, key, with_unit in columns]
        if any(cell != _MISSING for cell in cells):
            rows.append([name, *cells])
    return _table(["", *(title for title, *_ in columns)], rows)


def _cell(entries: dict[str, Any], name: str, key: str, with_unit: Callable[[float], str]) -> str:
    value, ours = entries.get(name, {}).get(key), entries.get(OURS, {}).get(key)
    if value is None or not ours:
        return _MISSING
    return with_unit(value) if name == OURS else f"{format_number(value / ours)} ×"


def _by_label(measurements: Sequence[Entry]) -> dict[str, dict[str, Entry]]:
    by_label: dict[str, dict[str, Entry]] = {}
    for entry in measurements:
        by_label.setdefault(entry["label"], {})[entry["peer"]] = entry
    return by_label


def _table(head: list[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
