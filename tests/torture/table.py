"""What the scenarios have seen, as a table."""

from __future__ import annotations

from collections.abc import Mapping

from tests.torture.tally import Tally

__all__ = ["table"]

_HEAD = ("", "kills", "faults", "checked", "lost", "longest call", "oldest lost", "broken")


def table(tallies: Mapping[str, Tally]) -> str:
    """Return a row for each scenario and one for all, then what was broken and what not tried."""
    total = Tally()
    for tally in tallies.values():
        total.add(tally)
    rows = [_HEAD, *(_row(name, tally) for name, tally in tallies.items()), _row("all", total)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.rjust, row, widths)) for row in rows]
    lines.append("kills survived, faults injected, events checked, events lost that were promised;")
    lines.append("age of the oldest event that a kill took: within the promised moment")
    lines += [f"broken: {text}" for text in total.broken]
    lines += [f"not tried: {text}" for text in total.notes]
    return "\n".join(lines)


def _row(name: str, tally: Tally) -> tuple[str, ...]:
    return (
        name,
        f"{tally.kills:,}",
        f"{tally.faults:,}",
        f"{tally.checked:,}",
        f"{tally.lost:,}",
        f"{tally.longest_call_ms:,.1f} ms",
        f"{tally.oldest_lost_ms:,.0f} ms",
        f"{len(tally.broken)}",
    )
