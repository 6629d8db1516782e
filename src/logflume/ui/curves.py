"""The curves of a run: the most important first, and their horizontal axes."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logflume.events.catalogue import CATALOGUE, has_curves
from logflume.events.metric_names import find_metric
from logflume.query.columns import optional

if TYPE_CHECKING:
    from logflume.query.open_run import Run
    from logflume.query.questions import Questions

__all__ = ["MAX_POINTS", "Curves", "read_axes", "read_curves", "select_main"]

_TOGETHER = ("training", "evaluation")
"""The event types that may have curves of the same names."""

MAX_POINTS = 1_000
"""Points of a curve; the extremes are kept."""

_MAX_STEPS = 4_000
"""Steps of an axis; the page interpolates between them."""

_TOKENS = "num_tokens"

_REWARDS = ("reward", "rewards/*/mean")

_MAIN = (
    *_REWARDS,
    "eval_reward",
    "generation.quality/correct/mean",
    "accuracy",
    "eval_accuracy",
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
"""Names and patterns, the most important first; of the names that trainers have for a metric, its
own. A run without any starts with its first curves."""

_TOTALS = ("rewards/total/mean", "reward.rewards/total/mean")
"""The total of `reward` events; the longer name, if the trainer reports the other one."""

_MAX_MAIN = 24

Curves = dict[str, dict[str, tuple[list[int | None], list[float | None]]]]
"""Steps and values, by name and mode. A value that is NaN or infinite is None: a gap."""


def read_curves(run: Run) -> Curves:
    """Return all curves of a run: the columns of `run.metrics(wide=True)`."""
    curves: Curves = {}
    pinned = run.pinned()
    # One type after another, because together they take several times the memory.
    later = (one for one in _find_curve_types(pinned) if one not in _TOGETHER)
    for events in (_TOGETHER, *((event_type,) for event_type in later)):
        table = pinned.metrics(wide=True, max_points=MAX_POINTS, events=events).arrow
        # A metric of `reward` has the name of its field, which the trainer may report as well.
        taken = {name: f"reward.{name}" for name in curves} if events == ("reward",) else {}
        _add_curves(curves, table.rename_columns([taken.get(n, n) for n in table.column_names]))
    return curves


def _find_curve_types(run: Questions) -> list[str]:
    """Return the event types of a run whose numbers are curves: first the declared ones."""
    types = run.event_types()
    ordered = (*CATALOGUE, *sorted(types.difference(CATALOGUE)))
    return [one for one in ordered if one in types and has_curves(one)]


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
    """Return the names of the curves that matter most, in that order.

    The rewards of the training come first: the total and the functions that the trainer reports,
    or else those of `reward` events.
    """
    names = _by_metric({name: modes for name, modes in curves.items() if name not in _TOTALS})
    chosen: list[str] = []
    for pattern in _REWARDS:
        found = [name for name in _matching(pattern, names) if "train" in curves[name]]
        chosen += found or _find_rewards(curves, pattern)
    for pattern in _MAIN:
        chosen += _matching(pattern, names)
    return list(dict.fromkeys(chosen))[:_MAX_MAIN] or list(curves)[:12]


def _matching(pattern: str, names: dict[str, str]) -> list[str]:
    return [name for metric, name in names.items() if fnmatchcase(metric, pattern)]


def _by_metric(curves: Curves) -> dict[str, str]:
    """Return the name of each metric: the preferred one, if it has several."""
    found: dict[str, tuple[int, str]] = {}
    for name in curves:
        metric, preference = find_metric(name) or (name, 0)
        if metric not in found or preference < found[metric][0]:
            found[metric] = preference, name
    return {metric: name for metric, (_, name) in found.items()}


def _find_rewards(curves: Curves, pattern: str) -> list[str]:
    """Return the curves of `reward` events for a pattern of `_REWARDS`."""
    if pattern == "reward":
        return [name for name in _TOTALS if name in curves][:1]
    matching = (name for name in curves if fnmatchcase(name, f"reward.{pattern}"))
    return [name for name in matching if name not in _TOTALS]


def read_axes(run: Run) -> dict[str, list[Any]]:
    """Return where the steps of a run are on the other axes: time, and tokens so far.

    The answer has some of the `steps`, in order, with their `times` in seconds since the epoch and
    their `tokens`, the trainer's `num_tokens`: null where it reported none. If the run has no
    reports of a trainer, the times are those of the next event type with curves.
    """
    table = _read_times(run)
    tokens = _read_tokens(run)
    picked = table.take(pa.array(_spaced(len(table)), pa.int64()))
    steps: Any = picked["step"].to_pylist()
    times: Any = picked["timestamp_max"].to_pylist()
    return {
        "steps": steps,
        "times": [time.timestamp() for time in times],
        "tokens": [tokens.get(step) for step in steps],
    }


def _read_times(run: Run) -> pa.Table:
    """Return each step with the time of its last event of the first event type that has steps."""
    table = pa.table({"step": pa.array([], pa.int64()), "timestamp_max": pa.array([], pa.int64())})
    for event_type in _find_curve_types(run):
        events = run.events(event_type, columns=["step", "timestamp"]).arrow
        events = events.filter(pc.is_valid(events["step"]))
        if len(events):
            table = events.group_by("step").aggregate([("timestamp", "max")])
            break
    return table.sort_by("step")


def _read_tokens(run: Run) -> dict[int, float]:
    table = run.metrics(optional(_TOKENS), events="training").arrow
    table = table.filter(pc.is_valid(table["step"]))
    steps: Any = table["step"].to_pylist()
    values: Any = table["value"].to_pylist()
    return {step: value for step, value in zip(steps, values, strict=True) if value is not None}


def _spaced(count: int) -> list[int]:
    """Return at most `_MAX_STEPS` rows, evenly spaced, with the first and the last one."""
    if count <= _MAX_STEPS:
        return list(range(count))
    return sorted({round(i * (count - 1) / (_MAX_STEPS - 1)) for i in range(_MAX_STEPS)})
