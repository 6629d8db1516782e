"""`logflume runs`: which runs there are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from logflume.cli.base import JsonOption, runs_folder
from logflume.cli.printing import cell, duration_text, print_json, print_table, size_text
from logflume.cli.progress import progress
from logflume.exceptions import LogflumeError
from logflume.formats.atomic import size_bytes
from logflume.query.open_run import Run, Runs, open_runs
from logflume.query.questions import Questions
from logflume.query.summary import read_run_status

__all__ = ["runs"]


def runs(
    folder: Annotated[
        str | None,
        typer.Argument(
            metavar="FOLDER", help="Where runs are; else LOGFLUME_DIR, or logs.", show_default=False
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List runs, the newest last: status, steps, last reward, size.

    Example: logflume runs logs
    """
    there = open_runs(Path(folder or runs_folder()) / "*")
    last = _read_last(there)
    found = [_describe(run, last) for run in progress(there, len(there), "Runs")]
    found.sort(key=lambda run: str(run["started"]))
    if folder is None or json:
        print_json(found) if json else print_table([_as_row(run, run["run"]) for run in found])
    else:
        print_table([_as_row(run, f"{folder}/{Path(run['folder']).name}") for run in found])


def _read_last(there: Runs) -> dict[str, dict[str, Any]]:
    """Return what `_last_by_run` does; of a run that can't be read it is why."""
    try:
        return _last_by_run(there)
    except LogflumeError:
        last: dict[str, dict[str, Any]] = {}
    for run in there:
        try:
            last |= _last_by_run(run)
        except LogflumeError as error:
            last[read_run_status(run.folder).run] = {"error": str(error)}
            typer.echo(str(error), err=True)
    return last


def _last_by_run(there: Questions) -> dict[str, dict[str, Any]]:
    """Return the last step, mean reward and duration by run: all runs are read at once."""
    columns = ["run", "step", "mode", "rewar[d]", "rewards/total/mea[n]"]
    # What the trainer says of a reward comes last, and counts.
    rows = [
        row
        for event_type in ("reward", "training")
        for row in there.events(event_type, columns=columns).to_pylist()
        if row["mode"] != "eval" and row["step"] is not None
    ]
    rows += there.events("run_finished", columns=["run", "attempt", "duration_s"]).to_pylist()
    last: dict[str, dict[str, Any]] = {}
    for row in rows:
        of_run = last.setdefault(row["run"], {})
        of_run["step"] = max(row.get("step", 0), of_run.get("step") or 0) or None
        reward = row.get("reward", row.get("rewards/total/mean"))
        of_run["reward"] = of_run.get("reward") if reward is None else reward
        if "duration_s" in row:
            of_run["ended"] = row
    return last


def _describe(run: Run, last: dict[str, dict[str, Any]]) -> dict[str, Any]:
    overview = read_run_status(run.folder)
    # Runs of one id are called by their folders.
    of_run = last.get(str(run.folder)) or last.get(overview.run, {})
    ended = of_run.get("ended", {"attempt": None, "duration_s": None})
    return {
        "run": overview.run,
        "folder": str(run.folder),
        "status": "damaged" if "error" in of_run else overview.status,
        "attempt": overview.attempt,
        "started": overview.started,
        "duration_s": ended["duration_s"] if ended["attempt"] == overview.attempt else None,
        "last_step": of_run.get("step"),
        "last_reward": of_run.get("reward"),
        "size_bytes": size_bytes(run.folder),
    }


def _as_row(run: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a line of the list; the name is one that other commands find the run by."""
    return {
        "run": name,
        "status": run["status"],
        "started": cell(run["started"]),
        "took": duration_text(run["duration_s"]),
        "step": run["last_step"],
        "reward": run["last_reward"],
        "size": size_text(run["size_bytes"]),
    }
