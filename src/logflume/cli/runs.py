"""`logflume runs`: lists runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from logflume.cli.base import JsonOption, runs_folder
from logflume.cli.printing import cell, duration_text, echo, print_json, print_table, size_text
from logflume.cli.progress import progress
from logflume.formats.atomic import size_bytes
from logflume.guard import Failure, call_guarded, describe
from logflume.query.open_run import Run, Runs, open_runs
from logflume.query.questions import Questions
from logflume.runs.status import RunStatus, read_run_status

__all__ = ["runs"]


def runs(
    folder: Annotated[
        str | None,
        typer.Argument(
            metavar="FOLDER",
            help="The folder that contains the runs; by default LOGFLUME_DIR, or logs.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List runs, newest last, with status, last step, last reward and size.

    Example: logflume runs logs
    """
    opened = open_runs(Path(folder or runs_folder()) / "*")
    last = _read_last(opened)
    listed = [_describe(run, last) for run in progress(opened, len(opened), "Runs")]
    listed.sort(key=lambda run: str(run["started"]))
    if folder is None or json:
        print_json(listed) if json else print_table([_as_row(run, run["run"]) for run in listed])
    else:
        print_table([_as_row(run, f"{folder}/{Path(run['folder']).name}") for run in listed])


def _read_last(runs: Runs) -> dict[str, dict[str, Any]]:
    """Return the same as `_last_by_run`, with the error for each run that can't be read."""
    # Guarded: somebody else's files may have values that no reader expects, and one line for their
    # run is better than no list.
    last = call_guarded(_last_by_run, runs)
    if not isinstance(last, Failure):
        return last
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        of_run = call_guarded(_last_by_run, run)
        if isinstance(of_run, Failure):
            error = str(of_run.error) or describe(of_run.error)
            found[str(run.folder)] = {"error": error}
            echo(error if str(run.folder) in error else f"{run.folder}: {error}", err=True)
        else:
            found |= of_run
    return found


def _last_by_run(runs: Questions) -> dict[str, dict[str, Any]]:
    """Return the last step, mean reward and duration by run, with one query for all runs."""
    columns = ["run", "step", "mode", "rewar[d]", "rewards/total/mea[n]"]
    # The trainer's own value of the reward is read last, so it takes precedence.
    rows = [
        row
        for event_type in ("reward", "training")
        for row in runs.events(event_type, columns=columns).to_pylist()
        if row["mode"] != "eval" and row["step"] is not None
    ]
    rows += runs.events("run_finished", columns=["run", "attempt", "duration_s"]).to_pylist()
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
    status = call_guarded(read_run_status, run.folder)
    if isinstance(status, Failure):
        status = RunStatus(run.folder.name, "damaged")
    # Runs that share an id are named by their folders.
    of_run = last.get(str(run.folder)) or last.get(status.run, {})
    ended = of_run.get("ended", {"attempt": None, "duration_s": None})
    return {
        "run": status.run,
        "folder": str(run.folder),
        "status": "damaged" if "error" in of_run else status.status,
        "attempt": status.attempt,
        "started": status.started,
        "duration_s": ended["duration_s"] if ended["attempt"] == status.attempt else None,
        "last_step": of_run.get("step"),
        "last_reward": of_run.get("reward"),
        "size_bytes": size_bytes(run.folder),
    }


def _as_row(run: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a row of the list. `name` is a name that other commands accept."""
    return {
        "run": name,
        "status": run["status"],
        "started": cell(run["started"]),
        "took": duration_text(run["duration_s"]),
        "step": run["last_step"],
        "reward": run["last_reward"],
        "size": size_text(run["size_bytes"]),
    }
