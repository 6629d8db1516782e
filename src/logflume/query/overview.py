"""What a list of runs shows of each: its last values, and the hyperparameters of its trainer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from logflume.query.last_values import LastValues, read_ends
from logflume.query.open_run import Run
from logflume.runs.files import Writer

__all__ = ["read_overview"]


def read_overview(run: Run, writers: Sequence[Writer]) -> tuple[LastValues, dict[str, Any]]:
    """Return the last values of a run, and the hyperparameters of its trainer.

    Args:
        run: The run.
        writers: All its writers.

    Raises:
        RunError: A journal is damaged.
    """
    values, hyperparameters = read_ends(writers)
    return values or _query_last(run), hyperparameters


def _query_last(run: Run) -> LastValues:
    """Return the last values by a query, which reads all journals or tables."""
    from logflume.query.columns import optional

    columns = ["step", "mode", optional("reward"), optional("rewards/total/mean")]
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
