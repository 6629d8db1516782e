"""The columns of `logflume runs`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from logflume.cli.printing import cell, duration_text, size_text

__all__ = ["HYPERPARAMETER_PRIORITY", "RUN_COLUMNS", "RunColumn"]


class RunColumn(NamedTuple):
    """A column of the list.

    Attributes:
        heading: Its heading, by which it can be named in `--where` and `--sort`.
        name: Its name in the JSON, which can be named as well.
        priority: Where the terminal is too narrow, the columns of the lowest priority stay.
        show: Returns the value that the list shows.
    """

    heading: str
    name: str
    priority: int
    show: Callable[[Any], Any] = lambda value: value


RUN_COLUMNS = (
    RunColumn("run", "run", 0),
    RunColumn("status", "status", 1),
    RunColumn("started", "started", 6, cell),
    RunColumn("took", "duration_s", 7, duration_text),
    RunColumn("step", "last_step", 2),
    RunColumn("reward", "last_reward", 3),
    RunColumn("size", "size_bytes", 8, size_text),
    RunColumn("tags", "tags", 5, ", ".join),
)
"""The columns in the order in which they are shown; those of hyperparameters follow."""

HYPERPARAMETER_PRIORITY = 4
