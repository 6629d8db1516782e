"""The curves of a run: the dozen that matter first, and the others by name."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from logflume.events.catalogue import CATALOGUE

if TYPE_CHECKING:
    import pyarrow as pa

    from logflume.query.open_run import Run
    from logflume.query.questions import Questions

__all__ = ["EVENTS", "MAX_POINTS", "Curves", "find_curve_types", "read_curves", "select_main"]

EVENTS = ("training", "evaluation", "reward", "generation", "system", "rank")
"""The declared event types whose numbers are curves; those of undeclared types are, too."""

MAX_POINTS = 1_000

_MAIN = (
    "reward",
    "rewards/*/mean",
    "eval_reward",
    "generation.quality/correct/mean",
    "loss",
    "eval_loss",
    "entropy",
    "kl",
    "completions/mean_length",
    "completions/clipped_ratio",
    "frac_reward_zero_std",
    "clip_ratio/region_mean",
    "grad_norm",
    "learning_rate",
    "step_time",
)
"""Names and patterns, the most important first. A run with none of them starts with its first."""

_INSTEAD = ("reward.rewards/total/mean", "reward.rewards/*/mean")
"""For runs whose trainer reports no rewards of the training: an evaluation may report some."""

_MAX_MAIN = 24

Curves = dict[str, dict[str, tuple[list[int | None], list[float | None]]]]
"""Steps and values, by name and mode. A value that is NaN or infinite is None: a gap."""


def read_curves(run: Run, max_points: int = MAX_POINTS) -> Curves:
    """Return all curves of a run: the columns of `run.metrics(wide=True)`.

    Args:
        run: The run.
        max_points: The maximum number of points of each; the extremes are kept.
    """
    curves: Curves = {}
    pinned = run.pinned()
    # One after another, because together they take a multiple of the memory. Only the first two
    # may have curves of the same names.
    later = (one for one in find_curve_types(pinned) if one not in EVENTS[:2])
    for events in (EVENTS[:2], *((event_type,) for event_type in later)):
        table = pinned.metrics(wide=True, max_points=max_points, events=events).arrow
        _add_curves(curves, table)
    return curves


def find_curve_types(run: Questions) -> list[str]:
    """Return the event types of a run whose numbers are curves: first the declared ones."""
    types = run.event_types()
    own = sorted(types.difference(CATALOGUE))
    return [*(event_type for event_type in EVENTS if event_type in types), *own]


def _add_curves(curves: Curves, table: pa.Table) -> None:
    """Add the columns of metrics in wide form."""
    if not len(table):
        return
    modes = np.array([mode or "train" for mode in table["mode"].to_pylist()])
    steps = table["step"].to_numpy()
    for name in table.column_names:
        if name in ("step", "mode", "run"):
            continue
        column: Any = table[name]
        is_there = column.is_valid().to_numpy()
        values = column.to_numpy()
        for mode in sorted(set(modes[is_there]), reverse=True):  # training first
            of_mode = is_there & (modes == mode)
            points = [float(value) for value in values[of_mode]]
            curves.setdefault(name, {})[str(mode)] = (
                [None if step != step else int(step) for step in steps[of_mode]],
                [value if np.isfinite(value) else None for value in points],
            )


def select_main(curves: Curves) -> list[str]:
    """Return the names of the curves that matter most, in that order."""
    has_rewards = any(
        name.startswith("reward") and "." not in name and "train" in modes
        for name, modes in curves.items()
    )
    patterns = _MAIN if has_rewards else (*_INSTEAD, *_MAIN)
    chosen = [name for pattern in patterns for name in curves if fnmatchcase(name, pattern)]
    return list(dict.fromkeys(chosen))[:_MAX_MAIN] or list(curves)[:12]
