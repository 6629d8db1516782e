"""`logflume show`: a run at a glance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from logflume.cli.base import JsonOption, RunArgument, find_run
from logflume.cli.printing import cell, duration_text, print_json, print_table
from logflume.reading.run import Run, open_run
from logflume.text.sparkline import sparkline

if TYPE_CHECKING:
    from logflume.reading.info import RunSummary

__all__ = ["show", "summarise_metrics"]

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
# As patterns, so that none has to be there.
_PATTERNS = [f"[{name[0]}]{name[1:]}" for name in _METRICS]
_BY_PRIORITY = ("training", "evaluation", "reward")
"""Whose value of a metric is taken when several types of event have it."""
_ALERTS = 10


def show(run: RunArgument = "latest", json: JsonOption = False) -> None:
    """Show a run: how it stands, its metrics as sparklines, its events, its alerts.

    Example: logflume show latest
    """
    opened = open_run(find_run(run))
    info, types, metrics = opened.info, opened.types(), summarise_metrics(opened)
    alerts = opened.events("alert", columns=["step", "signal", "message"]).to_pylist()
    if json:
        facts = msgspec.to_builtins(info, builtin_types=(), enc_hook=str)
        print_json({"info": facts, "types": types, "metrics": metrics, "alerts": alerts})
        return
    for name, value in _facts(info).items():
        typer.echo(f"{name:9}{value}")
    if metrics:
        print_table([_as_row(name, of_name) for name, of_name in metrics.items()])
    typer.echo("Events: " + ", ".join(f"{count:,} {name}" for name, count in sorted(types.items())))
    for alert in alerts[-_ALERTS:]:
        typer.echo(f"Alert at step {alert['step']}: {cell(alert['message'])}")


def summarise_metrics(run: Run) -> dict[str, dict[str, Any]]:
    """Return by metric its values by step, the first and last, the least and greatest.

    Metrics of evaluations begin with `eval/`. Values that are no numbers (NaN) are left out.
    """
    found: dict[tuple[str, str], list[float]] = {}
    for row in run.metrics(*_PATTERNS).to_pylist():
        if row["event"] in _BY_PRIORITY and math.isfinite(row["value"]):
            prefix = "eval/" if row["mode"] == "eval" else ""
            found.setdefault((f"{prefix}{row['name']}", row["event"]), []).append(row["value"])
    series: dict[str, list[float]] = {}
    for event in _BY_PRIORITY:
        for (name, of), values in found.items():
            if of == event:
                series.setdefault(name, values)
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
    """Return what is known of a run, in words."""
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
    values = metric.pop("values")
    return {"metric": name, "": sparkline(values, 40), **metric}
