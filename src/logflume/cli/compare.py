"""`logflume compare`: compares two runs."""

from __future__ import annotations

from typing import Any

from logflume.cli.base import FirstRun, JsonOption, SecondRun, find_run
from logflume.cli.printing import cell, echo, print_json, print_table
from logflume.cli.show import summarize_metrics
from logflume.query.open_run import Run, open_run
from logflume.terminal.sparkline import sparkline

__all__ = ["compare"]

_WIDTH = 24
_TEXT_WIDTH = 60


def compare(first: FirstRun, second: SecondRun, json: JsonOption = False) -> None:
    """Compare two runs: their different settings, and their metrics.

    Example: logflume compare logs/20261123-141502-a1b2 latest
    """
    runs = [open_run(find_run(first)), open_run(find_run(second))]
    settings = _differences(runs)
    metrics = _metrics(runs)
    if json:
        ids = [run.info.run for run in runs]
        print_json({"runs": ids, "settings": settings, "metrics": metrics})
        return
    for letter, run in zip("AB", runs, strict=True):
        echo(f"{letter}: {cell(run.info.run)} ({cell(run.info.status)})")
    if settings:
        rows = [{"setting": n, "A": _short(a), "B": _short(b)} for n, (a, b) in settings.items()]
        print_table(rows)
    print_table([_as_row(name, metric) for name, metric in metrics.items()])


def _short(value: Any) -> str:
    text = cell(value)
    return text if len(text) <= _TEXT_WIDTH else f"{text[: _TEXT_WIDTH - 1]}…"


def _differences(runs: list[Run]) -> dict[str, list[Any]]:
    """Return the hyperparameters, versions and other settings that differ, by name."""
    settings = []
    for info in (run.info for run in runs):
        versions = {f"version of {name}": value for name, value in info.versions.items()}
        settings.append(
            {
                **info.hyperparameters,
                **versions,
                "git_commit": info.git_commit,
                "host": info.host,
                "last_step": info.last_step,
                "duration_s": info.duration_s,
            }
        )
    names = dict.fromkeys([*settings[0], *settings[1]])
    pairs = {name: [of_run.get(name) for of_run in settings] for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _metrics(runs: list[Run]) -> dict[str, list[dict[str, Any] | None]]:
    summaries = [summarize_metrics(run) for run in runs]
    names = dict.fromkeys([*summaries[0], *summaries[1]])
    return {name: [of_run.get(name) for of_run in summaries] for name in names}


def _as_row(name: str, metric: list[dict[str, Any] | None]) -> dict[str, Any]:
    row: dict[str, Any] = {"metric": name}
    for letter, of_run in zip("AB", metric, strict=True):
        row[letter] = sparkline(of_run["values"], _WIDTH) if of_run else ""
        row[f"{letter} last"] = of_run and float(f"{of_run['last']:.4g}")
    a, b = row["A last"], row["B last"]
    row["B - A"] = None if a is None or b is None else float(f"{b - a:.4g}")
    return row
