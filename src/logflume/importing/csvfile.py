"""CSV: a history written by pandas, or what W&B's web page exports of a chart.

A chart's columns are `<run> - <metric>`, `<run> - <metric>__MIN` and `…__MAX`. The name of the run
goes where there is one; of several, each field has it in front. The least and the greatest value
are those of the points that the chart put together: they become `<metric>/min` and `/max` where
they differ from the value.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from logflume.exceptions import RunError
from logflume.importing.found import Found, LeftOut
from logflume.importing.history import Row, read_rows

__all__ = ["read_csv"]

_LONGEST_CELL = 1 << 30
_EXTREMES = {"__MIN": "min", "__MAX": "max"}
_BOOLEANS = {"True": True, "true": True, "False": False, "false": False}
_INTEGER = re.compile(r"[+-]?\d{1,300}", re.ASCII)


def read_csv(path: Path, left_out: LeftOut) -> Iterator[Found]:
    """Yield the events of a file, row by row. An empty cell is a value that isn't there."""
    yield from read_rows(_rows(path, left_out))


def _rows(path: Path, left_out: LeftOut) -> Iterator[Row]:
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
