"""Tables of metrics that fit the terminal: a name, a sparkline and as many numbers as fit.

The sparkline is shortened first, then the middle of long names; numbers are never shortened.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from logflume.cli.printing import UNLIMITED_WIDTH, console
from logflume.terminal.cells import cell_len, pad, shorten
from logflume.terminal.charts import sparkline
from logflume.terminal.escape import escape

if TYPE_CHECKING:
    import rich.text

__all__ = ["MetricColumn", "MetricRow", "metric_table", "print_metrics"]

_MIN_LINE, _MAX_LINE = 12, 40
_MIN_NAME = 40
_GAP = 2


class MetricRow(NamedTuple):
    """A row of the table.

    Attributes:
        name: Name of the metric.
        values: The values of the sparkline; empty for none.
        cells: The other cells, by heading.
    """

    name: str
    values: Sequence[float]
    cells: dict[str, str]


class MetricColumn(NamedTuple):
    """A column of numbers.

    Attributes:
        heading: Its heading.
        style: Its style.
    """

    heading: str
    style: str = ""


def metric_table(
    rows: Sequence[MetricRow], columns: Sequence[MetricColumn], width: int
) -> rich.text.Text:
    """Return the rows as a table.

    Args:
        rows: The rows.
        columns: The columns of numbers, the most important first: those that don't fit are
            left out.
        width: Width of the terminal, in columns.
    """
    import rich.text

    longest = max(cell_len(escape(row.name)) for row in rows)
    has_lines = any(row.values for row in rows)
    least = min(longest, _MIN_NAME, width // 2) + (_GAP + _MIN_LINE) * has_lines
    widths = _fit(rows, columns, width - least)
    room = width - sum(_GAP + one for one in widths.values()) - _GAP * has_lines
    name_width = min(longest, room - _MIN_LINE * has_lines)
    line_width = min(max(room - name_width, _MIN_LINE), _MAX_LINE)
    text = rich.text.Text()
    heading = " " * (name_width + (_GAP + line_width) * has_lines)
    text.append("metric" + heading[len("metric") :], style="dim")
    for one in columns:
        if one.heading in widths:
            text.append(f"{'':{_GAP}}{one.heading:>{widths[one.heading]}}", style="dim")
    for row in rows:
        text.append("\n" + pad(shorten(escape(row.name), name_width), name_width))
        if has_lines:
            line = sparkline(row.values, line_width)
            text.append(f"{'':{_GAP}}{line:{line_width}}", style="cyan")
        for one in columns:
            if one.heading in widths:
                cell = f"{'':{_GAP}}{row.cells[one.heading]:>{widths[one.heading]}}"
                text.append(cell, style=one.style)
    return text


def print_metrics(rows: Sequence[MetricRow], columns: Sequence[MetricColumn]) -> None:
    """Print rows as a table, fitted to the terminal."""
    target = console(UNLIMITED_WIDTH)
    target.print(metric_table(rows, columns, target.width), soft_wrap=True)


def _fit(rows: Sequence[MetricRow], columns: Sequence[MetricColumn], room: int) -> dict[str, int]:
    """Return the widths of the columns that fit, in their order."""
    widths: dict[str, int] = {}
    for one in columns:
        needed = max(len(one.heading), *(len(row.cells[one.heading]) for row in rows))
        if widths and sum(_GAP + used for used in widths.values()) + _GAP + needed > room:
            break
        widths[one.heading] = needed
    return widths
