"""The results as Markdown: every figure as a ratio, the unit of each column in one row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.benchmarks.cost.plan import GIL_BUSY, SCALARS_BURST, TEXTS_BURST
from tests.benchmarks.cost.targets import Target
from tests.benchmarks.peers.catalogue import FLOOR, OURS, PEERS

__all__ = ["caller_table", "markdown", "number", "target_table", "whole_table"]

Found = dict[str, Any]

_NOTHING = "–"


def number(value: float) -> str:
    """Return a number in two figures, with separators: 0.35, 1.5, 27, 1,300."""
    if value >= 100:
        digits = len(str(int(value))) - 2
        return f"{round(value, -digits):,.0f}"
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def markdown(found: Found) -> str:
    """Return everything that the README shows: what it was measured on, and the tables."""
    machine, versions = found["machine"], found["versions"]
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    missing = [f"- {name}: {reason}" for name, reason in found["missing"].items()]
    parts = [
        f"`{found['command']}` on {machine['cores']} cores ({machine['cpu']}, {machine['os']}, "
        f"{machine['python']}), {machine['date']}. Versions: {listed}.",
        target_table([Target(*entry) for entry in found["targets"]]),
        "What one call with 22 numbers takes the training, in times of the floor's median in the "
        "same column (the first row has it in µs):",
        caller_table(found["measurements"]),
        "And the rest, in times of logflume's (whose row has the unit). A step is 22 numbers; "
        "texts are 64 completions of 1 kB:",
        whole_table(found["measurements"], found["import_s"]),
    ]
    if missing:
        parts.append("Not measured:\n\n" + "\n".join(missing))
    return "\n\n".join(parts)


def target_table(targets: Sequence[Target]) -> str:
    """Return the targets, with what was measured."""
    said = {True: "yes", False: "**no**", None: _NOTHING}
    rows = [[t.what, t.target, t.measured, said[t.is_met]] for t in targets]
    return _table(["what", "target", "measured", "met"], rows)


def caller_table(measurements: Sequence[Found]) -> str:
    """Return the caller's times: by pace, in times of the floor's median there."""
    at = _by_label(measurements)
    columns: list[tuple[str, str, str]] = [
        (f"{title}, {told}", label, key)
        for title, label in (("full speed", SCALARS_BURST), ("1,000/s, GIL busy", GIL_BUSY))
        if label in at
        for told, key in (
            ("calls", "calls"),
            ("p50", "p50_us"),
            ("p99", "p99_us"),
            ("p99.9", "p999_us"),
            ("worst", "worst_us"),
        )
    ]
    rows = []
    for name in PEERS:
        cells = [_caller_cell(at[label], name, key) for _, label, key in columns]
        if any(cell != _NOTHING for cell in cells):
            rows.append([name, *cells])
    return _table(["", *(title for title, _, _ in columns)], rows)


def _caller_cell(where: dict[str, Found], name: str, key: str) -> str:
    value, floor = where.get(name, {}).get(key), where.get(FLOOR, {}).get("p50_us")
    if value is None or not floor:
        return _NOTHING
    if key == "calls":
        return f"{value:,}"
    return f"{number(value)} µs" if name == FLOOR else f"{number(value / floor)} ×"


def whole_table(measurements: Sequence[Found], import_s: dict[str, float | None]) -> str:
    """Return what is spent beside the call, in times of logflume's."""
    at = _by_label(measurements)
    burst, texts = at.get(SCALARS_BURST, {}), at.get(TEXTS_BURST, {})
    imports = {name: {"s": value} for name, value in import_s.items()}
    columns: list[tuple[str, dict[str, Any], str, Callable[[float], str]]] = [
        ("CPU a step", burst, "cpu_us_per_call", lambda us: f"{number(us)} µs"),
        ("disk a step", burst, "disk_bytes_per_call", lambda size: f"{number(size)} B"),
        ("peak memory", burst, "peak_bytes", lambda size: f"{number(size / 1e6)} MB"),
        ("close", burst, "close_s", lambda s: f"{number(s)} s"),
        ("import", imports, "s", lambda s: f"{number(s * 1e3)} ms"),
        ("texts: call, p50", texts, "p50_us", lambda us: f"{number(us)} µs"),
        ("texts: CPU", texts, "cpu_us_per_call", lambda us: f"{number(us / 1e3)} ms"),
        ("texts: disk", texts, "disk_bytes_per_call", lambda size: f"{number(size / 1e3)} kB"),
    ]
    rows = []
    for name in PEERS:
        cells = [_cell(where, name, key, told) for _, where, key, told in columns]
        if any(cell != _NOTHING for cell in cells):
            rows.append([name, *cells])
    return _table(["", *(title for title, *_ in columns)], rows)


def _cell(where: dict[str, Any], name: str, key: str, told: Callable[[float], str]) -> str:
    value, mine = where.get(name, {}).get(key), where.get(OURS, {}).get(key)
    if value is None or not mine:
        return _NOTHING
    return told(value) if name == OURS else f"{number(value / mine)} ×"


def _by_label(measurements: Sequence[Found]) -> dict[str, dict[str, Found]]:
    by_label: dict[str, dict[str, Found]] = {}
    for entry in measurements:
        by_label.setdefault(entry["label"], {})[entry["peer"]] = entry
    return by_label


def _table(head: list[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
