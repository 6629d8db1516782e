"""Rows of a history, as W&B keeps it: one a call of `log`, values by name."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeAlias

from logflume.exceptions import RunError
from logflume.importing.names import ImportedEvent, LeftOut, number_of, sort_reports

__all__ = ["STEP_NAMES", "TIME_NAMES", "Row", "read_csv", "read_jsonl", "read_rows"]


_LONGEST_CELL = 1 << 30

_EXTREMES = {"__MIN": "min", "__MAX": "max"}

_BOOLEANS = {"True": True, "true": True, "False": False, "false": False}

_INTEGER = re.compile(r"[+-]?\d{1,300}", re.ASCII)


def read_csv(path: Path, left_out: LeftOut) -> Iterator[ImportedEvent]:
    """Yield the events of a file, row by row. An empty cell is a value that isn't there."""
    yield from read_rows(_csv_rows(path, left_out))


def _csv_rows(path: Path, left_out: LeftOut) -> Iterator[Row]:
    csv.field_size_limit(_LONGEST_CELL)  # a cell may be a completion
    # As the writers of such files do: a byte that is no UTF-8 must not end the reading.
    with path.open(encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
        rows = csv.reader(file)
        try:
            header = next(rows, [])
            charts = _find_charts(header)
            for row in rows:
                if len(row) > len(header):
                    left_out["cells beyond the header"] += len(row) - len(header)
                # The column without a name is the row's number, which pandas writes.
                cells = {n: c for n, c in zip(header, row, strict=False) if n and c != ""}
                yield _sort_cells({name: _value(cell) for name, cell in cells.items()}, charts)
        except csv.Error as error:
            raise RunError(f"{path}, line {rows.line_num}: this is no CSV: {error}") from error


def _find_charts(header: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the run and the metric of each column of a chart's export."""
    names = set(header)
    columns = [n for n in header if " - " in n and {f"{n}__MIN", f"{n}__MAX"} <= names]
    charts = {}
    for column in columns:
        run, _, metric = column.rpartition(" - ")
        charts[column] = (run, metric)
    if len({run for run, _ in charts.values()}) == 1:
        return {column: ("", metric) for column, (_, metric) in charts.items()}
    return charts


def _sort_cells(cells: Mapping[str, Any], charts: Mapping[str, tuple[str, str]]) -> Row:
    row: dict[str, dict[str, Any]] = {"": {}}
    for column, value in cells.items():
        base, extreme = column[:-5], _EXTREMES.get(column[-5:])
        if extreme is not None and base in charts:
            run, metric = charts[base]
            if repr(value) != repr(cells.get(base)):  # NaN is the same as NaN here
                row.setdefault(run, {})[f"{metric}/{extreme}"] = value
        else:
            run, metric = charts.get(column, ("", column))
            row.setdefault(run, {})[metric] = value
    return row


def _value(cell: str) -> Any:
    """Return the number or truth value that a cell holds, else its text."""
    if cell in _BOOLEANS:
        return _BOOLEANS[cell]
    if _INTEGER.fullmatch(cell):
        return int(cell)
    try:
        return cell if "_" in cell else float(cell)
    except ValueError:
        return cell


Row: TypeAlias = Mapping[str, Mapping[str, Any]]
"""The values of a row by name, for each part of the source; the only part is `""`."""

STEP_NAMES = ("train/global_step", "global_step", "step", "Step", "_step")
"""Names of the step, the best first: W&B's own `_step` counts calls of `log`, not steps."""

TIME_NAMES = ("_timestamp", "timestamp")

_LOOK_AHEAD = 1000

_EARLIEST_TIME_S, _LATEST_TIME_S = 1e8, 4e9
"""Earlier times (before 1973) are not since 1970; later ones are in milliseconds."""


def read_rows(rows: Iterable[Row]) -> Iterator[ImportedEvent]:
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
                yield ImportedEvent(event, fields, step, time_s)


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


def read_jsonl(path: Path, left_out: LeftOut) -> Iterator[ImportedEvent]:
    """Yield the events of a file, line by line.

    Nested objects are flattened with `/`. NaN and infinities may be bare or texts. Media and
    tables of W&B (`{"_type": "table-file", …}`) are left out, and so is a line that is no object.
    """
    yield from read_rows(_json_rows(path, left_out))


def _json_rows(path: Path, left_out: LeftOut) -> Iterator[Row]:
    with path.open("rb") as lines:
        for line in lines:
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if isinstance(row, dict):
                yield {"": dict(_flatten(row, "", left_out))}
            else:
                left_out["lines that are no JSON object"] += 1


def _flatten(row: dict[str, Any], prefix: str, left_out: LeftOut) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        whole = prefix + name
        if not isinstance(value, dict):
            if value is not None:
                yield whole, number_of(value)
        elif "_type" in value:
            left_out[f"media of W&B: {value['_type']}"] += 1
        else:
            yield from _flatten(value, f"{whole}/", left_out)
