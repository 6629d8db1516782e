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
from logflume.query.last_values import LastValues, read_last_values
from logflume.query.open_run import Run, open_runs
from logflume.runs.files import find_writers
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
    listed = [_describe(run) for run in progress(opened, len(opened), "Runs")]
    listed.sort(key=lambda run: str(run["started"]))
    if folder is None or json:
        print_json(listed) if json else print_table([_as_row(run, run["run"]) for run in listed])
    else:
        print_table([_as_row(run, f"{folder}/{Path(run['folder']).name}") for run in listed])


def _describe(run: Run) -> dict[str, Any]:
    # Guarded: somebody else's files may have values that no reader expects, and one line for their
    # run is better than no list.
    status = call_guarded(read_run_status, run.folder)
    if isinstance(status, Failure):
        status = RunStatus(run.folder.name, "damaged")
    values = call_guarded(_read_last, run)
    if isinstance(values, Failure):
        error = str(values.error) or describe(values.error)
        echo(error if str(run.folder) in error else f"{run.folder}: {error}", err=True)
        status = status._replace(status="damaged")
        values = LastValues(None, None, None)
    return {
        "run": status.run,
        "folder": str(run.folder),
        "status": status.status,
        "attempt": status.attempt,
        "started": status.started,
        "duration_s": values.duration_s,
        "last_step": values.step,
        "last_reward": values.reward,
        "size_bytes": size_bytes(run.folder),
    }


def _read_last(run: Run) -> LastValues:
    return read_last_values(find_writers(run.folder)) or _query_last(run)


def _query_last(run: Run) -> LastValues:
    """Return the last values by a query, which reads all journals or tables."""
    columns = ["step", "mode", "rewar[d]", "rewards/total/mea[n]"]
    # The trainer's own value of the reward is read last, so it takes precedence.
    rows = [
        row
        for event_type in ("reward", "training")
        for row in run.events(event_type, columns=columns).to_pylist()
        if row["mode"] != "eval" and row["step"] is not None
    ]
    rewards = [row.get("reward", row.get("rewards/total/mean")) for row in rows]
    ended = run.events("run_finished", columns=["attempt", "duration_s"]).to_pylist()
    attempt = run.info.attempt
    durations = [row["duration_s"] for row in ended if row["attempt"] == attempt]
    return LastValues(
        max((row["step"] for row in rows), default=None),
        next((reward for reward in reversed(rewards) if reward is not None), None),
        durations[0] if durations else None,
    )


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
