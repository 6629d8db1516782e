"""Rows of a history, as W&B keeps it: one a call of `log`, values by name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain, islice
from typing import Any, TypeAlias

from logflume.importing.found import Found
from logflume.importing.names import sort_reports

__all__ = ["STEP_NAMES", "TIME_NAMES", "Row", "read_rows"]

Row: TypeAlias = Mapping[str, Mapping[str, Any]]
"""The values of a row by name, for each part of the source; the only part is `""`."""

STEP_NAMES = ("train/global_step", "global_step", "step", "Step", "_step")
"""Names of the step, the best first: W&B's own `_step` counts calls of `log`, not steps."""

TIME_NAMES = ("_timestamp", "timestamp")

_LOOK_AHEAD = 1000
_EARLIEST_TIME_S, _LATEST_TIME_S = 1e8, 4e9
"""Earlier times (before 1973) are not since 1970; later ones are in milliseconds."""


def read_rows(rows: Iterable[Row]) -> Iterator[Found]:
    """Yield the events of each row.

    The step is that of the best of `STEP_NAMES` that one of the first rows has. A row without it
    belongs to the step of the row before: TRL logs its times beside its steps. So does one whose
    step is no whole number.
    """
    rows = iter(rows)
    first = list(islice(rows, _LOOK_AHEAD))
    known = {name for row in first for report in row.values() for name in report}
    clock = next((name for name in STEP_NAMES if name in known), None)
    step = None
    for row in chain(first, rows):
        steps = (report.get(clock) for report in row.values() if clock)
        step = next(filter(_is_step, steps), step)
        time_s = next(filter(None, map(_find_time, row.values())), None)
        reports = {part: _without(report, clock) for part, report in row.items()}
        for event, fields in sort_reports(reports).items():
            if fields:
                yield Found(event, fields, step, time_s)


def _is_step(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value == int(value)


def _without(report: Mapping[str, Any], clock: str | None) -> dict[str, Any]:
    """Leave out what the event says by its step and timestamp."""
    gone = set() if clock is None or clock.endswith("global_step") else {clock}
    if _find_time(report) is not None:
        gone.update(TIME_NAMES)
    return {name: value for name, value in report.items() if name not in gone}


def _find_time(report: Mapping[str, Any]) -> float | None:
    """Return the time of a row in seconds since 1970; None if it has none that can be read."""
    value = next((report[name] for name in TIME_NAMES if name in report), None)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value).timestamp()
        except (ValueError, OverflowError):
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    time_s = value / 1000 if value > _LATEST_TIME_S else float(value)
    return time_s if _EARLIEST_TIME_S < time_s < _LATEST_TIME_S else None
