"""The status of a run according to its state and file lock, without reading an event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from logflume.runs.description import RunDescription
from logflume.runs.files import Writer, find_writers

__all__ = ["RunStatus", "describe_ranks", "latest_attempt", "read_run_status", "status_of"]


_ENDS = {
    "failed": "failed",
    "killed": "{was} killed",
    "terminated": "{was} terminated",
    "interrupted": "{was} interrupted",
}
"""The ends of a rank other than `finished`, the most serious first, with the words for each."""


class RunStatus(NamedTuple):
    """The status of a run according to `run.json` and the file lock.

    Attributes:
        run: Run id; the folder's name if unknown.
        status: `running`; how it ended: `finished`, `failed`, `interrupted`, `terminated`; `killed`
            if it ended without recording how; `unknown` without `run.json`. It is that of the first
            rank, unless that has finished and another rank has not.
        attempt: The latest attempt.
        started: When it started, UTC.
        description: How the user describes it.
        ranks: The status of each rank of the latest attempt.
        restarted: Those of them that were restarted since, without the first rank.
    """

    run: str
    status: str
    attempt: int = 0
    started: datetime | None = None
    description: RunDescription = RunDescription()
    ranks: Mapping[int, str] = {}
    restarted: Collection[int] = ()


def latest_attempt(writers: Sequence[Writer]) -> int:
    """Return the latest attempt of a run: that of its lowest rank, 0 if it is unknown.

    Another rank may have a later one if it was restarted alone, or an earlier one if the run was
    continued with fewer ranks.
    """
    states = [(writer.rank, writer.state) for writer in writers if writer.state is not None]
    lowest = min((rank for rank, _ in states), default=0)
    return max((state.attempt for rank, state in states if rank == lowest and state), default=0)


def read_run_status(folder: Path) -> RunStatus:
    """Return the status of the run in a folder."""
    return status_of(folder, find_writers(folder))


def status_of(folder: Path, writers: Sequence[Writer]) -> RunStatus:
    """Return the status of the run in a folder, given its writers."""
    first = next((writer for writer in writers if writer.state is not None), None)
    if first is None or (state := first.state) is None:
        return RunStatus(folder.resolve().name, "unknown")
    ranks = _statuses_of_ranks(writers, first, state.attempt)
    status = state.status
    if status == "running" and not any(writer.is_live for writer in writers):
        status = "killed"
    elif status == "finished":
        worse = ("running", *_ENDS)
        status = next((one for one in worse if one in ranks.values()), status)
    started = datetime.fromisoformat(state.started)
    known = {w.rank: w.state for w in writers if w.rank in ranks and w.attempt == first.attempt}
    restarted = [rank for rank, own in known.items() if own and own.attempt > state.attempt]
    return RunStatus(state.run, status, state.attempt, started, state.description, ranks, restarted)


def _statuses_of_ranks(writers: Sequence[Writer], first: Writer, attempt: int) -> dict[int, str]:
    """Return how each rank of an attempt has ended, or that it is running."""
    found = {}
    for writer in writers:
        is_rank = writer.attempt == first.attempt and writer.has_known_rank
        state = writer.state if is_rank else None
        if state is not None and state.attempt >= attempt:
            is_killed = state.status == "running" and not writer.is_live
            found[writer.rank] = "killed" if is_killed else state.status
    return found


def describe_ranks(
    ranks: Mapping[int, str],
    last_steps: Mapping[int, int | None],
    restarted: Collection[int] = (),
) -> str | None:
    """Return what happened to ranks but not to all of them; None if all are alike.

    Args:
        ranks: The status of each rank.
        last_steps: The last step of ranks, where it is known.
        restarted: The ranks that were restarted alone.

    >>> describe_ranks({0: "finished", 1: "killed"}, {1: 149})
    '1 of 2 ranks was killed after step 149'
    """
    count = Counter(ranks.values())
    found = []
    if restarted:
        was = "was" if len(restarted) == 1 else "were"
        found.append(f"{len(restarted)} of {len(ranks)} ranks {was} restarted")
    for status, what in _ENDS.items():
        known = [last_steps.get(rank) for rank, one in ranks.items() if one == status]
        steps = {step for step in known if step is not None}
        if count[status] and len(count) > 1:
            did = what.format(was="was" if count[status] == 1 else "were")
            after = f" after step {min(steps)}" if len(steps) == 1 else ""
            if len(steps) > 1:
                after = f" after steps {min(steps)} to {max(steps)}"
            found.append(f"{count[status]} of {len(ranks)} ranks {did}{after}")
    return "; ".join(found) or None
