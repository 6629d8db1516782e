"""The hyperparameters of a run: what its user stated, and what its trainer reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from logflume.events.trainer_names import hyperparameters_of
from logflume.runs.description import RunDescription

__all__ = ["merge_hyperparameters"]


def merge_hyperparameters(
    description: RunDescription, started: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the hyperparameters of a run, those of `initialize` first.

    Where the two differ, the value is the trainer's: the run was made with it.

    Args:
        description: How the user describes the run.
        started: The `run_started` events of an attempt. Those that open it repeat what the user
            stated; the others are reports.
    """
    # Each rank opens its journal, so an opening may follow the report of another rank.
    opening = [event for event in started if event.get("schema_version") is not None]
    reports = [event for event in started if event.get("schema_version") is None]
    found: dict[str, Any] = {}
    for stated in (
        *map(hyperparameters_of, opening),
        description.hyperparameters,
        *map(hyperparameters_of, reports),
    ):
        found |= stated
    return found
