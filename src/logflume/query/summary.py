"""Summarizes a run: its status, times, host, versions and hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from logflume.query.hyperparameters import merge_hyperparameters
from logflume.query.run_snapshot import Snapshot
from logflume.query.scan import RunFiles, read_events
from logflume.runs.files import Writer
from logflume.runs.status import describe_ranks, latest_attempt, status_of

__all__ = ["RunSummary", "find_total_duration_s", "summarize"]


class RunSummary(msgspec.Struct, kw_only=True):
    """The summary of a run. For a continued run it describes the latest attempt.

    Attributes:
        run: Run id.
        folder: The run's folder.
        status: `running`; how it ended: `finished`, `failed`, `interrupted`, `terminated`; `killed`
            if it ended without recording how; `unknown` if nothing was recorded. It is that of the
            first rank, unless that has finished and another rank has not.
        attempt: The latest attempt.
        ranks: The ranks that started it.
        rank_note: What happened to ranks that didn't end like the others, such as `1 of 2 ranks was
            killed after step 149`; None if all are alike.
        started: When the attempt started, UTC.
        ended: When it ended; None while it runs, and after a kill.
        duration_s: The time between the two, in seconds.
        last_step: The highest step of the latest attempt; of all, until that one has a step.
        highest_step: The highest step of all attempts. Steps between the two are of an earlier
            attempt: the latest one was resumed at a lower step, and has not repeated them.
        exception: The exception that ended it, if any.
        host: Name of the machine.
        command: The command line.
        git_commit: Commit of the repository that contains the working directory.
        versions: Versions of Python and of packages.
        hyperparameters: Those of `initialize`, then the trainer's arguments that differ from their
            defaults or are commonly used. Where the two differ, the value is the trainer's.
        tags: Its tags.
        notes: Its notes.
        config: The configuration of logflume; empty if it is not recorded, or not readable.
    """

    run: str
    folder: Path
    status: str
    attempt: int = 0
    ranks: list[int] = []
    rank_note: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    duration_s: float | None = None
    last_step: int | None = None
    highest_step: int | None = None
    exception: str | None = None
    host: str | None = None
    command: str | None = None
    git_commit: str | None = None
    versions: dict[str, str] = {}
    hyperparameters: dict[str, Any] = {}
    tags: list[str] = []
    notes: str | None = None
    config: dict[str, Any] = {}

    @property
    def earlier_steps(self) -> str | None:
        """Says which later steps are of an earlier attempt; None without such steps."""
        if self.last_step == self.highest_step or self.last_step is None:
            return None
        return f"the steps after it, up to {self.highest_step}, are of an earlier attempt"


def summarize(folder: Path, snapshots: Sequence[Snapshot]) -> RunSummary:
    """Return the summary of the run in a folder.

    Args:
        folder: The run's folder.
        snapshots: The snapshots of its files, one for each writer.

    Raises:
        RunError: A journal is damaged.
        FileNotFoundError: Files were replaced in the meantime; another try may succeed.
    """
    writers = [snapshot.writer for snapshot in snapshots]
    leading = [snapshots[index] for index in _find_leading(writers)]
    files = [RunFiles(leading, latest_only=False)]
    started = _of_latest(read_events(files, "run_started").to_pylist())
    finished = _of_latest(read_events(files, "run_finished").to_pylist())
    first: dict[str, Any] = next((e for e in started if e.get("schema_version") is not None), {})
    recorded = status_of(folder, writers)
    status, description = recorded.status, recorded.description
    attempt = first.get("attempt", 0)
    last: dict[str, Any] = next((e for e in finished if e["attempt"] == attempt), {})
    merged = {
        name: value for event in started for name, value in event.items() if value is not None
    }
    steps = {one.writer.suffix: one.last_steps() for one in snapshots}
    last_steps = {suffix: _highest(of_writer, attempt) for suffix, of_writer in steps.items()}
    of_ranks = {w.rank: last_steps[w.suffix] for w in writers if w.process is None}
    last_step = max((step for step in last_steps.values() if step is not None), default=None)
    highest_step = max(
        (s for of_writer in steps.values() for s in of_writer.values()), default=None
    )
    return RunSummary(
        run=first.get("run", folder.resolve().name),
        folder=folder,
        status=last.get("status", "unknown") if status == "unknown" else status,
        attempt=attempt,
        ranks=_find_ranks(writers, started),
        rank_note=describe_ranks(recorded.ranks, of_ranks, recorded.restarted),
        started=first.get("timestamp"),
        ended=last.get("timestamp"),
        duration_s=last.get("duration_s"),
        last_step=highest_step if last_step is None else last_step,
        highest_step=highest_step,
        exception=last.get("exception"),
        host=first.get("host"),
        command=first.get("command"),
        git_commit=first.get("git_commit"),
        versions=_with_prefix(merged, "versions/"),
        hyperparameters=merge_hyperparameters(description, started),
        tags=list(description.tags),
        notes=description.notes,
        config=_read_config(first.get("config")),
    )


def _highest(last_steps: Mapping[int, int], attempt: int) -> int | None:
    """Return the highest step of an attempt and later ones; None without a step."""
    return max((step for number, step in last_steps.items() if number >= attempt), default=None)


_TIMED_TYPES = ("run_started", "run_finished", "training", "evaluation", "system")


def find_total_duration_s(snapshots: Sequence[Snapshot]) -> float | None:
    """Return the time that all attempts took, in seconds; None if nothing was recorded.

    It is that of the run's lowest rank: all ranks of an attempt take equally long. An attempt that
    was killed, or still runs, took the time up to its last recorded report.

    Raises:
        RunError: A journal is damaged.
        FileNotFoundError: Files were replaced in the meantime; another try may succeed.
    """
    lowest = min((snapshot.writer.rank for snapshot in snapshots), default=0)
    of_lowest = [snapshot for snapshot in snapshots if snapshot.writer.rank == lowest]
    files = [RunFiles(of_lowest, latest_only=False)]
    limits: dict[int, tuple[datetime, datetime]] = {}
    for event_type in _TIMED_TYPES:
        rows = read_events(files, event_type, columns=["attempt", "timestamp"]).to_pydict()
        for attempt, time in zip(*rows.values(), strict=True):
            first, last = limits.get(attempt, (time, time))
            limits[attempt] = min(first, time), max(last, time)
    times_s = [(last - first).total_seconds() for first, last in limits.values()]
    return sum(times_s) if times_s else None


def _find_leading(writers: Sequence[Writer]) -> list[int]:
    """Return the indices of the writers whose events describe the latest attempt.

    Their states show who they are: the lowest rank, and the first one that has recorded its end.
    Without the states, it may be any writer.
    """
    states = [writer.state for writer in writers]
    if not _are_known(writers):
        return list(range(len(writers)))
    latest = latest_attempt(writers)
    current = [i for i, state in enumerate(states) if state and state.attempt == latest]
    lowest = min((writers[index].rank for index in current), default=0)
    unrecorded = ("running", "killed")
    ended = [i for i in current if (state := states[i]) and state.status not in unrecorded]
    return sorted({*(i for i in current if writers[i].rank == lowest), *ended[:1]})


def _find_ranks(writers: Sequence[Writer], started: Sequence[dict[str, Any]]) -> list[int]:
    """Return the ranks that started the latest attempt."""
    if not _are_known(writers):
        return sorted({event["rank"] for event in started})
    states = [(writer.rank, writer.state) for writer in writers]
    latest = latest_attempt(writers)
    return sorted({rank for rank, state in states if state and state.attempt >= latest})


def _are_known(writers: Sequence[Writer]) -> bool:
    """Whether the state of every writer that has one can be read."""
    return all(writer.state is not None or writer.process is not None for writer in writers)


def _of_latest(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events of the latest attempt, those of rank 0 first."""
    latest = max((event["attempt"] for event in events), default=0)
    return sorted((e for e in events if e["attempt"] == latest), key=lambda e: int(e["rank"]))


def _read_config(text: str | None) -> dict[str, Any]:
    """Return the configuration; a processor may have changed its text."""
    try:
        return msgspec.json.decode(text or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return {}


def _with_prefix(fields: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {n.removeprefix(prefix): v for n, v in fields.items() if n.startswith(prefix)}
