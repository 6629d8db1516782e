"""What a list of runs shows of each: its status, last values and hyperparameters.

Everything here is guarded, so that one damaged run doesn't hide the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from logflume.guard import Failure, call_guarded, describe
from logflume.query.hyperparameters import merge_hyperparameters
from logflume.query.last_values import LastValues, add_survivor, read_ends
from logflume.query.open_run import Run
from logflume.runs.files import Writer, find_writers
from logflume.runs.status import RunStatus, describe_ranks, status_of

__all__ = ["find_status", "read_overview"]


def find_status(folder: Path) -> tuple[RunStatus, list[Writer]]:
    """Return the status of a run, `damaged` if that can't be read, and the run's writers."""
    writers = call_guarded(find_writers, folder)
    if isinstance(writers, Failure):
        return RunStatus(folder.name, "damaged"), []
    status = call_guarded(status_of, folder, writers)
    return RunStatus(folder.name, "damaged") if isinstance(status, Failure) else status, writers


def read_overview(
    folder: Path, status: RunStatus, writers: Sequence[Writer]
) -> tuple[dict[str, Any], str | None]:
    """Return the row of a run in a list, and an error if the run is damaged.

    Args:
        folder: The run's folder.
        status: Its status, from `find_status`.
        writers: Its writers, from `find_status`.
    """
    description = status.description
    read = call_guarded(_read, folder, writers, status.ranks)
    error = None
    if isinstance(read, Failure):
        error = str(read.error) or describe(read.error)
        read = LastValues(None, None, None), []
    values, started = read
    row = {
        "status": status.status if error is None else "damaged",
        "rank_note": describe_ranks(status.ranks, {}, status.restarted),
        "attempt": status.attempt,
        "started": status.started,
        "duration_s": values.duration_s,
        "last_step": values.step,
        "last_reward": values.reward,
        "tags": list(description.tags),
        "notes": description.notes,
        "hyperparameters": merge_hyperparameters(description, started),
    }
    return row, error


def _read(
    folder: Path, writers: Sequence[Writer], ranks: Mapping[int, str]
) -> tuple[LastValues, list[dict[str, Any]]]:
    """Return the last values of a run, and the `run_started` events of its latest attempt."""
    values, started = read_ends(writers)
    values = values or _query_last(Run(folder))
    survivor = _find_survivor(writers, ranks)
    return values if survivor is None else add_survivor(values, survivor), started


def _find_survivor(writers: Sequence[Writer], ranks: Mapping[int, str]) -> Writer | None:
    """Return a rank that went on without the first one, if ranks have ended differently."""
    first = min(ranks, default=0)
    others = [rank for rank in ranks if ranks[rank] != ranks.get(first)]
    if ranks.get(first) == "finished" or not others:
        return None
    order = ("finished", "running")
    best = min(others, key=lambda rank: order.index(s) if (s := ranks[rank]) in order else 2)
    return next((w for w in writers if w.rank == best and w.process is None), None)


def _query_last(run: Run) -> LastValues:
    """Return the last values by a query, which reads all journals or tables."""
    from logflume.query.columns import optional

    columns = ["step", "mode", "attempt", optional("reward"), optional("rewards/total/mean")]
    # The trainer's own value of the reward is read last, so it takes precedence.
    rows = [
        row
        for event_type in ("reward", "training")
        for row in run.events(event_type, columns=columns).to_pylist()
        if row["mode"] != "eval" and row["step"] is not None
    ]
    latest = max((row["attempt"] for row in rows), default=0)
    rows = [row for row in rows if row["attempt"] == latest]
    rewards = [row.get("reward", row.get("rewards/total/mean")) for row in rows]
    ended = run.events("run_finished", columns=["attempt", "duration_s"]).to_pylist()
    attempt = run.info.attempt
    durations = [row["duration_s"] for row in ended if row["attempt"] == attempt]
    return LastValues(
        max((row["step"] for row in rows), default=None),
        next((reward for reward in reversed(rewards) if reward is not None), None),
        durations[0] if durations else None,
    )
