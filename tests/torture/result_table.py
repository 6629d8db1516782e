"""The results of the torture scenarios as a text table."""

from __future__ import annotations

from collections.abc import Mapping

from tests.torture.scenario_result import ScenarioResult

__all__ = ["result_table"]

_HEAD = (
    *("", "kills", "faults", "ends", "checked", "lost", "uncounted", "twice", "elsewhere"),
    *("longest call", "oldest lost", "violations"),
)


def result_table(results: Mapping[str, ScenarioResult]) -> str:
    """Return a row for each scenario and one for all, then the violations and what was skipped."""
    total = ScenarioResult()
    for result in results.values():
        total.merge(result)
    rows = [_HEAD, *(_row(name, result) for name, result in results.items()), _row("all", total)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.rjust, row, widths)) for row in rows]
    lines.append(
        "kills survived, faults injected, ends of runs and events checked; events lost that"
    )
    lines.append("were guaranteed, lost without being counted, twice in a run, in another run;")
    lines.append("oldest lost: the age of the oldest event that a kill destroyed, within the limit")
    lines += [f"violation: {text}" for text in total.violations]
    lines += [f"skipped: {text}" for text in total.skipped]
    return "\n".join(lines)


def _row(name: str, result: ScenarioResult) -> tuple[str, ...]:
    return (
        name,
        f"{result.kills:,}",
        f"{result.faults:,}",
        f"{result.ends:,}",
        f"{result.checked:,}",
        f"{result.lost:,}",
        f"{result.uncounted:,}",
        f"{result.twice:,}",
        f"{result.elsewhere:,}",
        f"{result.longest_call_ms:,.1f} ms",
        f"{result.oldest_lost_ms:,.0f} ms",
        f"{len(result.violations)}",
    )
