"""Summaries of all metrics of a run, for `show`, `compare` and `plot`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from logflume.cli.base import Mode
from logflume.cli.metric_rules import (
    EVALUATION,
    Better,
    better_values,
    has_reward,
    position,
)
from logflume.events.catalogue import has_curves
from logflume.exceptions import QueryError
from logflume.query.questions import is_continued
from logflume.runs.files import find_writers

if TYPE_CHECKING:
    from logflume.query.open_run import Run

__all__ = ["MetricSummary", "merge_names", "select_names", "summarize_metrics"]

_FIRST_TYPES = ("training", "evaluation", "reward", "generation")
"""If two types have a metric of the same name, the one of the first type is shown."""

_UNPREFIXED = ("training", "evaluation", "reward")
"""The event types of metrics that have the names of their fields, as in `run.metrics()`."""

_TOGETHER = ("training", "evaluation")
"""Those of which metrics of one name are one column."""

_WITHOUT_SUMMARY = frozenset({"rank", "system"})
"""Types whose curves are of a rank or a machine: `run.ranks()` and the page compare them."""

Point: TypeAlias = tuple[int | None, float]
"""The step and the value."""


class MetricSummary(NamedTuple):
    """A metric in one mode. NaN and infinities are left out.

    Attributes:
        first: The first value.
        last: The value at the last step: not at a later one, of an earlier attempt.
        min: The lowest value.
        max: The highest value.
        best: The best value; None if neither higher nor lower values are better, or if that is
            unknown.
        best_step: The first step with it.
        steps: The step of each value; 0, 1, 2 … if they were logged without one.
        values: All values.
    """

    first: float
    last: float
    min: float
    max: float
    best: float | None
    best_step: int | None
    steps: list[int]
    values: list[float]


def summarize_metrics(
    run: Run, patterns: Sequence[str] = (), mode: Mode | None = None
) -> dict[str, MetricSummary]:
    """Return the metrics of a run in the order in which they are shown.

    Args:
        run: The run.
        patterns: Names and patterns (`rewards/*`) of metrics; empty: all.
        mode: Only the metrics of training, or of evaluations; None: both.

    Returns:
        The summaries by name; those of evaluations are prefixed with `eval/`.

    Raises:
        QueryError: No metric has one of the names, or matches one of the patterns.
    """
    found: dict[str, list[Point]] = {}
    for name, points in _read(run):
        finite = [(step, value) for step, value in points if math.isfinite(value)]
        if finite:
            found.setdefault(name, finite)
    in_mode = [n for n in found if mode is None or n.startswith(EVALUATION) == (mode == "eval")]
    names = select_names(sorted(in_mode, key=position), patterns)
    is_policy = has_reward(found)
    end = _last_step(run)
    return {
        name: _summarize(found[name], end, better_values(name, has_reward=is_policy))
        for name in names
    }


def _last_step(run: Run) -> float:
    """Return the last step; infinity for a run of one attempt, which has no later ones."""
    is_one = not is_continued(find_writers(run.folder))
    last_step = None if is_one else run.info.last_step
    return math.inf if last_step is None else last_step


def merge_names(summaries: Iterable[Iterable[str]]) -> list[str]:
    """Return the metrics that any of several runs has, in the order in which they are shown."""
    return sorted(dict.fromkeys(name for of_run in summaries for name in of_run), key=position)


def select_names(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Return the names that match one of the patterns; all of them if there are no patterns.

    Raises:
        QueryError: A pattern matches no name.
    """
    for pattern in patterns:
        if not any(_matches(name, pattern) for name in names):
            raise QueryError(_explain_missing(pattern, names))
    return [n for n in names if not patterns or any(_matches(n, p) for p in patterns)]


def _matches(name: str, pattern: str) -> bool:
    """Whether a name matches; a pattern without the prefix `eval/` matches both modes."""
    own = re.sub(rf"^({EVALUATION})?(?:{'|'.join(_UNPREFIXED)})\.", r"\1", pattern)
    names = (name, name.removeprefix(EVALUATION))
    return any(fnmatchcase(one, wanted) for one in names for wanted in (pattern, own))


def _explain_missing(pattern: str, names: Sequence[str]) -> str:
    from logflume.query.metrics import suggest_metric

    return f"no metric matches {pattern!r}; {suggest_metric(pattern, names)}"


def _read(run: Run) -> Iterator[tuple[str, list[Point]]]:
    """Yield the points of each metric by its name, those of the trainer's own metrics first."""
    types = [name for name in run.types() if has_curves(name) and name not in _WITHOUT_SUMMARY]
    ordered = [*(t for t in _FIRST_TYPES if t in types), *sorted(set(types) - {*_FIRST_TYPES})]
    together = [one for one in ordered if one in _TOGETHER]
    for of_table in (together, *([one] for one in ordered if one not in _TOGETHER)):
        table = run.metrics(wide=True, events=of_table)
        columns = {name: table.arrow[name].to_pylist() for name in table.column_names}
        modes, steps = columns.pop("mode"), columns.pop("step")
        for mode, prefix in (("train", ""), ("eval", EVALUATION)):
            rows = [row for row, of_row in enumerate(modes) if of_row == mode]
            for name, values in columns.items():
                points = [(steps[row], values[row]) for row in rows if values[row] is not None]
                yield prefix + name, points
        if all(value is None for values in columns.values() for value in values):
            for event_type in of_table:
                yield from _read_without_steps(run, event_type)


def _read_without_steps(run: Run, event_type: str) -> Iterator[tuple[str, list[Point]]]:
    """Yield the points of metrics that were logged without a step, in the order of their events."""
    by_name: dict[str, list[Point]] = {}
    for row in run.metrics(events=event_type).to_pylist():
        if row["step"] is None:
            prefix = EVALUATION if row["mode"] == "eval" else ""
            own = "" if event_type in _UNPREFIXED else f"{event_type}."
            by_name.setdefault(f"{prefix}{own}{row['name']}", []).append((None, row["value"]))
    yield from by_name.items()


def _summarize(points: Sequence[Point], last_step: float, better: Better) -> MetricSummary:
    values = [value for _, value in points]
    reached = [value for step, value in points if step is None or step <= last_step] or values
    best_step, best = _best(points, better) if better else (None, None)
    steps = [number if step is None else step for number, (step, _) in enumerate(points)]
    return MetricSummary(
        values[0], reached[-1], min(values), max(values), best, best_step, steps, values
    )


def _best(points: Sequence[Point], better: Better) -> Point:
    """Return the first point with the best value: a later one is better only by rounding."""
    values = [value for _, value in points]
    best = max(values) if better == "higher" else min(values)
    return next(point for point in points if math.isclose(point[1], best))
