"""Imports JSON Lines and CSV with one row per call of `log`, such as W&B histories."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, AnyStr

from logflume.exceptions import ArgumentError, RunError
from logflume.importing.names import (
    ImportedEvent,
    LeftOut,
    Reading,
    parse_nonfinite,
    split_reports,
)
from logflume.importing.steps import FIELD_STEPS, TIME_NAMES, Row, find_step_name, read_step
from logflume.runs.safe_files import MAX_LINE_BYTES, open_file

__all__ = ["read_csv", "read_jsonl", "read_rows"]


_MAX_CELL_CHARS = 1 << 30

_EXTREMES = {"__MIN": "min", "__MAX": "max"}

_BOOLEANS = {"True": True, "true": True, "False": False, "false": False}

_INTEGER = re.compile(r"[+-]?\d{1,300}", re.ASCII)


def read_csv(path: Path, reading: Reading) -> Iterator[ImportedEvent]:
    """Yield the events of a CSV file, row by row. An empty cell is an absent value.

    Spaces around names and numbers, with which some loggers align columns, are removed.
    """
    yield from read_rows(_csv_rows(path, reading.left_out), reading)


def _csv_rows(path: Path, left_out: LeftOut) -> Iterator[Row]:
    csv.field_size_limit(_MAX_CELL_CHARS)  # a cell may be a completion
    # Invalid UTF-8 is escaped, as the writers of such files do: it must not end the import.
    escaped: Any = {"encoding": "utf-8-sig", "errors": "backslashreplace", "newline": ""}
    with open(path, **escaped, opener=open_file) as file:
        rows = csv.reader(_bounded(file, path))
        try:
            header = [name.strip() for name in next(rows, [])]
            charts = _find_charts(header)
            named = [name for name in header if name]
            left_out["columns with the name of a later column"] += len(named) - len(set(named))
            for row in rows:
                if len(row) > len(header):
                    left_out["cells beyond the header"] += len(row) - len(header)
                # The column without a name is the row number, which pandas writes.
                cells = {n: c for n, c in zip(header, row, strict=False) if n and c.strip()}
                yield _make_row({name: _parse_cell(cell) for name, cell in cells.items()}, charts)
        except csv.Error as error:
            raise RunError(f"{path}, line {rows.line_num}: not valid CSV: {error}") from error


def _bounded(file: IO[AnyStr], path: Path) -> Iterator[AnyStr]:
    """Yield the lines of a file.

    Raises:
        RunError: A line is too long: a sparse file may have any size.
    """
    while line := file.readline(MAX_LINE_BYTES):
        if len(line) == MAX_LINE_BYTES:
            raise RunError(f"{path}: a line of more than {MAX_LINE_BYTES:,} characters")
        yield line


def _find_charts(header: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the run and metric of each column in the exported data of a chart."""
    names = set(header)
    columns = [n for n in header if " - " in n and {f"{n}__MIN", f"{n}__MAX"} <= names]
    charts = {}
    for column in columns:
        run, _, metric = column.rpartition(" - ")
        charts[column] = (run, metric)
    if len({run for run, _ in charts.values()}) == 1:
        return {column: ("", metric) for column, (_, metric) in charts.items()}
    return charts


def _make_row(cells: Mapping[str, Any], charts: Mapping[str, tuple[str, str]]) -> Row:
    row: dict[str, dict[str, Any]] = {"": {}}
    for column, value in cells.items():
        base, extreme = column[:-5], _EXTREMES.get(column[-5:])
        if extreme is not None and base in charts:
            run, metric = charts[base]
            if repr(value) != repr(cells.get(base)):  # `repr`: NaN equals NaN
                row.setdefault(run, {})[f"{metric}/{extreme}"] = value
        else:
            run, metric = charts.get(column, ("", column))
            row.setdefault(run, {})[metric] = value
    return row


def _parse_cell(cell: str) -> Any:
    """Return the number or boolean in a cell, else its text."""
    bare = cell.strip()
    if bare in _BOOLEANS:
        return _BOOLEANS[bare]
    if _INTEGER.fullmatch(bare):
        return int(bare)
    try:
        return cell if "_" in cell else float(cell)
    except ValueError:
        return cell


_LOOK_AHEAD = 1000

_MAX_NAMED = 20
"""Fields that an error names."""

_EARLIEST_TIME_S, _LATEST_TIME_S = 1e8, 4e9
"""Smaller values (before 1973) are not Unix times; larger ones are in milliseconds."""


def read_rows(rows: Iterable[Row], reading: Reading) -> Iterator[ImportedEvent]:
    """Yield the events of each row.

    The step is the field that `reading` names, or that `find_step_name` finds in the first 1,000
    rows. A row without a step, or whose step is not a whole number, belongs to the step of the row
    before, because TRL logs timings in rows without a step. If no field is a step, the step is the
    number of the row, from 1.

    Raises:
        ArgumentError: The field that `reading` names is in none of these rows.
    """
    rows = iter(rows)
    first = list(islice(rows, _LOOK_AHEAD))
    if reading.step is None:
        reading.step = find_step_name(first)
    else:
        _check_step(reading.step, first)
    step: int | float | None = None
    for number, row in enumerate(chain(first, rows), 1):
        steps = (read_step(report, reading.step) for report in row.values())
        given = number if reading.step is None else None
        step = next((one for one in steps if one is not None), step if given is None else given)
        time_s = next(filter(None, map(_find_time, row.values())), None)
        reports = {part: _drop_redundant(report, reading.step) for part, report in row.items()}
        for event, fields in split_reports(reports).items():
            if fields:
                yield ImportedEvent(event, fields, step, time_s)


def _check_step(name: str, rows: Sequence[Row]) -> None:
    reports = [report for row in rows for report in row.values()]
    if not any(read_step(report, name) is not None for report in reports):
        numbers = dict.fromkeys(
            other for report in reports for other in report if read_step(report, other) is not None
        )
        known = ", ".join(list(numbers)[:_MAX_NAMED]) or "none"
        problem = f"no row has a whole number of this name; such fields are: {known}"
        raise ArgumentError("import_run", "step", name, problem)


def _drop_redundant(report: Mapping[str, Any], step_name: str | None) -> dict[str, Any]:
    """Return the report without what the event's step and timestamp already contain."""
    step = read_step(report, step_name)
    candidates = {step_name, "step"} - {*FIELD_STEPS}
    redundant = {n for n in candidates if step is not None and read_step(report, n) == step}
    if _find_time(report) is not None:
        redundant.update(TIME_NAMES)
    return {name: value for name, value in report.items() if name not in redundant}


def _find_time(report: Mapping[str, Any]) -> float | None:
    """Return the time of a row in seconds since 1970; None if it has no valid one."""
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


def read_jsonl(path: Path, reading: Reading) -> Iterator[ImportedEvent]:
    """Yield the events of a JSON Lines file, line by line.

    Nested objects are flattened with `/`, except that of verl, `{"step": 1, "data": {…}}`, whose
    names are those in `data`. NaN and infinities may be bare or quoted. Media and tables of W&B
    (`{"_type": "table-file", …}`) and lines that are not objects are left out.
    """
    yield from read_rows(_json_rows(path, reading.left_out), reading)


def _json_rows(path: Path, left_out: LeftOut) -> Iterator[Row]:
    with open(path, "rb", opener=open_file) as file:
        for line in _bounded(file, path):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if isinstance(row, dict):
                yield {"": dict(_flatten(_unwrapped(row), "", left_out))}
            else:
                left_out["lines that are not JSON objects"] += 1


def _unwrapped(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of verl's file logger without the object around its metrics."""
    if row.keys() == {"step", "data"} and isinstance(row["data"], dict):
        return {**row["data"], "step": row["step"]}
    return row


def _flatten(row: dict[str, Any], prefix: str, left_out: LeftOut) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        full_name = prefix + name
        if not isinstance(value, dict):
            if value is not None:
                yield full_name, parse_nonfinite(value)
        elif "_type" in value:
            left_out[f"W&B media: {value['_type']}"] += 1
        else:
            yield from _flatten(value, f"{full_name}/", left_out)
