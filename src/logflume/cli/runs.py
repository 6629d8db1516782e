"""`logflume runs`: which runs there are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from logflume.cli.base import JsonOption, runs_folder
from logflume.cli.printing import cell, duration_text, print_json, print_table, size_text
from logflume.cli.progress import progress
from logflume.reading.run import Run, open_runs

__all__ = ["runs"]


def runs(
    folder: Annotated[
        str | None,
        typer.Argument(
            help="Where the runs are; else LOGFLUME_DIR, or 'logs'.", show_default=False
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List runs, the newest last: status, steps, last reward, size.

    Example: logflume runs logs
    """
    there = open_runs(Path(folder or runs_folder()) / "*")
    found = [_describe(run) for run in progress(there, len(there), "Runs")]
    found.sort(key=lambda run: str(run["started"]))
    print_json(found) if json else print_table([_as_row(run) for run in found])


def _describe(run: Run) -> dict[str, Any]:
    info = run.info
    return {
        "run": info.run,
        "folder": str(run.folder),
        "status": info.status,
        "attempt": info.attempt,
        "started": info.started,
        "duration_s": info.duration_s,
        "last_step": info.last_step,
        "last_reward": _last_reward(run),
        "size_bytes": sum(path.stat().st_size for path in run.folder.rglob("*") if path.is_file()),
    }


def _last_reward(run: Run) -> float | None:
    """Return the last mean reward: the trainer's metric, or else that of the reward events."""
    found = run.metrics("rewar[d]", "rewards/total/mea[n]").to_pylist()
    rewards = [row for row in found if row["mode"] != "eval"]
    by_trainer = [row for row in rewards if row["name"] == "reward"]
    return (by_trainer or rewards)[-1]["value"] if rewards else None


def _as_row(run: dict[str, Any]) -> dict[str, Any]:
    return {
        "run": run["run"],
        "status": run["status"],
        "started": cell(run["started"]),
        "took": duration_text(run["duration_s"]),
        "step": run["last_step"],
        "reward": run["last_reward"],
        "size": size_text(run["size_bytes"]),
    }
