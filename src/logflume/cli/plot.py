"""`logflume plot`: draws metrics as curves in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Annotated

import typer

from logflume.cli.base import JsonOption, Mode, ModeOption, RunsArgument, open_any
from logflume.cli.metric_rules import EVALUATION
from logflume.cli.metric_summaries import (
    MetricSummary,
    merge_names,
    select_names,
    summarize_metrics,
)
from logflume.cli.printing import console, print_json
from logflume.terminal.charts import Points, draw_lines
from logflume.terminal.compact_numbers import number_text
from logflume.terminal.escape import escape

if TYPE_CHECKING:
    import rich.console
    import rich.text

    from logflume.query.open_run import Run, Runs

__all__ = ["plot"]

_HEIGHT = 16
_WIDTH = 120
"""Width of a chart if the output is not a terminal, in columns."""

_COLOURS = ("cyan", "yellow", "green", "magenta", "red", "blue", "bright_black", "white")

_SIGNS = "ox+*#%@"
"""The signs of lines in an output without colours."""


def plot(
    run: RunsArgument,
    metrics: Annotated[
        list[str],
        typer.Argument(metavar="METRIC …", help="Names or patterns of metrics: loss 'rewards/*'."),
    ],
    mode: ModeOption = None,
    height: Annotated[
        int, typer.Option(min=4, max=200, help="Height of a chart, in lines.")
    ] = _HEIGHT,
    json: JsonOption = False,
) -> None:
    """Draw metrics of a run, or of several ('logs/*'), as curves: one chart for each metric.

    Training and its evaluations are separate curves in the same chart.

    Example: logflume plot latest loss 'rewards/*/mean'
    """
    summaries = _summarize(open_any(run), mode)
    names = select_names(merge_names(summaries.values()), metrics)
    if json:
        print_json(
            [
                {"run": run_id, "metric": name, "steps": one.steps, "values": one.values}
                for name in names
                for run_id, of_run in summaries.items()
                if (one := of_run.get(name))
            ]
        )
        return
    target = console(_WIDTH)
    for chart in dict.fromkeys(name.removeprefix(EVALUATION) for name in names):
        of_chart = [name for name in names if name.removeprefix(EVALUATION) == chart]
        lines = _lines(summaries, of_chart)
        target.print(_render(chart, lines, target, height), soft_wrap=True)


def _summarize(opened: Run | Runs, mode: Mode | None) -> dict[str, Mapping[str, MetricSummary]]:
    """Return the metrics of each run, by the id of the run."""
    from logflume.query.open_run import Run

    runs = [opened] if isinstance(opened, Run) else list(opened)
    return {str(run.folder.resolve().name): summarize_metrics(run, (), mode) for run in runs}


def _lines(
    summaries: Mapping[str, Mapping[str, MetricSummary]], names: Sequence[str]
) -> dict[str, Points]:
    """Return the curves of a chart by their labels, which show only what differs."""
    lines: dict[str, Points] = {}
    for run_id, of_run in summaries.items():
        for name in names:
            if name in of_run:
                mode = "eval" if name.startswith(EVALUATION) else "train"
                parts = [run_id] * (len(summaries) > 1) + [mode] * (len(names) > 1)
                metric = of_run[name]
                label = " ".join(parts) or name
                lines[label] = list(zip(metric.steps, metric.values, strict=True))
    return lines


def _render(
    title: str, lines: Mapping[str, Points], target: rich.console.Console, height: int
) -> rich.text.Text:
    """Return a chart. Without colours, each line but the first has a sign of its own."""
    import rich.text

    labels = list(lines)
    colours = {label: _COLOURS[index % len(_COLOURS)] for index, label in enumerate(labels)}
    has_colours = target.color_system is not None and not target.no_color
    signs = {} if has_colours else dict(zip(labels[1:], cycle(_SIGNS), strict=False))
    text = rich.text.Text(f"{escape(title)}\n", style="")
    text.stylize("bold")
    for row in draw_lines(lines, target.width, height, number_text):
        for characters, label in row:
            sign = signs.get(label or "") if characters != " " else None
            text.append(sign or characters, style=colours[label] if label else "dim")
        text.append("\n")
    if len(labels) > 1 or labels[0] != title:
        for label in labels:
            sign = signs.get(label) or "━"
            text.append(f"  {sign}{sign} ", style=colours[label]).append(
                escape(label), style="default"
            )
        text.append("\n")
    return text
