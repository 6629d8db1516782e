"""`logflume show`: shows a summary of a run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from logflume.cli.base import JsonOption, RunArgument, find_run
from logflume.cli.printing import cell, duration_text, echo, print_json, print_table, terminal_width
from logflume.query.open_run import Run, open_run
from logflume.terminal.sparkline import sparkline

if TYPE_CHECKING:
    from logflume.query.summary import RunSummary

__all__ = ["show", "summarize_metrics"]

_METRICS = (
    "reward",
    "rewards/*/mean",
    "loss",
    "eval_loss",
    "entropy",
    "kl",
    "grad_norm",
    "accuracy",
    "completions/mean_length",
    "completions/clipped_ratio",
)
# As patterns, because a run need not have all of these metrics.
_PATTERNS = [f"[{name[0]}]{name[1:]}" for name in _METRICS]
_MAX_ALERTS = 10
_ALL_NUMBERS_WIDTH = 110
_NAME_WIDTH, _NUMBER_WIDTH = 43, 13
_MIN_LINE_WIDTH, _MAX_LINE_WIDTH = 10, 40


def show(run: RunArgument = "latest", json: JsonOption = False) -> None:
    """Show a run: its status, metrics as sparklines, number of events, and alerts.

    Example: logflume show latest
    """
    opened = open_run(find_run(run))
    info, types, metrics = opened.info, opened.types(), summarize_metrics(opened)
    alerts = opened.events("alert", columns=["step", "signal", "message"]).to_pylist()
    if json:
        facts = msgspec.to_builtins(info, builtin_types=(), enc_hook=str)
        print_json({"info": facts, "types": types, "metrics": metrics, "alerts": alerts})
        return
    for name, value in _facts(info).items():
        echo(f"{name:9}{value}")
    if metrics:
        print_table([_as_row(name, of_name) for name, of_name in metrics.items()])
    echo("Events: " + ", ".join(f"{count:,} {cell(name)}" for name, count in sorted(types.items())))
    for alert in alerts[-_MAX_ALERTS:]:
        echo(f"Alert at step {cell(alert['step'])}: {cell(alert['message'])}")


def summarize_metrics(run: Run) -> dict[str, dict[str, Any]]:
    """Return for each metric its values by step, and the first, last, minimum and maximum value.

    Metrics of evaluations are prefixed with `eval/`. NaN and infinities are omitted.
    """
    table = run.metrics(*_PATTERNS, wide=True)
    rows = table.to_pylist()
    series: dict[str, list[float]] = {}
    for mode, prefix in (("train", ""), ("eval", "eval/")):
        of_mode = [row for row in rows if row["mode"] == mode]
        # The trainer's own metrics take precedence: their columns come first.
        for column in table.column_names[2:]:
            values = [row[column] for row in of_mode if row[column] is not None]
            finite = [value for value in values if math.isfinite(value)]
            if finite:
                series.setdefault(prefix + column.removeprefix("reward."), finite)
    return {
        name: {
            "first": values[0],
            "last": values[-1],
            "min": min(values),
            "max": max(values),
            "values": values,
        }
        for name, values in series.items()
    }


def _facts(info: RunSummary) -> dict[str, str]:
    """Return the known facts about a run, as text."""
    facts = {
        "Run": f"{info.run}   ({info.folder})",
        "Status": info.status + (f" after {info.exception}" if info.exception else ""),
        "Attempt": str(info.attempt) if info.attempt else None,
        "Ranks": str(len(info.ranks)) if len(info.ranks) > 1 else None,
        "Started": cell(info.started),
        "Took": duration_text(info.duration_s),
        "Step": cell(info.last_step),
        "Host": info.host,
        "Command": info.command,
        "Commit": info.git_commit,
    }
    return {name: cell(value) for name, value in facts.items() if value}


def _as_row(name: str, metric: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the table, without the columns that don't fit a narrow terminal."""
    width = terminal_width()
    numbers = ("first", "last", "min", "max") if width >= _ALL_NUMBERS_WIDTH else ("first", "last")
    room = width - _NAME_WIDTH - _NUMBER_WIDTH * len(numbers)
    line = sparkline(metric["values"], min(max(room, _MIN_LINE_WIDTH), _MAX_LINE_WIDTH))
    return {"metric": name, "": line, **{n: float(f"{metric[n]:.4g}") for n in numbers}}
