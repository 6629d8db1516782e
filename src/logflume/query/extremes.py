"""Reads the events with the lowest or highest values of a column.

The footer of a Parquet file has the limits of each column in each row group. Most of a thousand
files therefore need not be read to find the twenty completions with the lowest rewards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import pyarrow as pa

from logflume.formats.parquet import open_part
from logflume.formats.parquet_file import ParquetFile
from logflume.query.columns import holds_numbers
from logflume.query.part_files import (
    THREADS,
    KnownSchemas,
    PartFile,
    Prefilter,
    ScanResult,
    find_groups,
    find_limits,
    map_in_threads,
    read_groups,
)

__all__ = ["Extremes", "read_extremes"]

_Key: TypeAlias = tuple[float, float, str, float]
"""The value (negative if the highest is first), the step, the run and the rank of an event. Events
are sorted by these first."""


_LOWEST: _Key = (-math.inf, -math.inf, "", -math.inf)


class Extremes(NamedTuple):
    """The events with the lowest or highest values of a column.

    Attributes:
        column: The column, which holds numbers. Null and NaN don't count.
        size: The number of events, at least 1.
        is_highest: Whether the highest values are requested.
    """

    column: str
    size: int
    is_highest: bool

    def keys(self, events: pa.Table) -> list[_Key]:
        """Return the key of each event that has a value."""
        if self.column not in events.column_names:
            return []
        rows: Any = events.select([self.column, "step", "run", "rank"]).to_pydict()
        return [
            (
                -value if self.is_highest else value,
                math.inf if step is None else step,  # sorted last
                run or "",
                rank,
            )
            for value, step, run, rank in zip(*rows.values(), strict=True)
            if value is not None
        ]

    def bound(self, file: ParquetFile, group: int, run: str | None) -> _Key | None:
        """Return a key that is not above that of any event in a row group.

        Args:
            file: The file, which has the column.
            group: The number of the row group.
            run: The run that its events are of; None: unknown.

        Returns:
            The key; None if no event has a value.
        """
        statistics = file.statistics(group, self.column)
        if statistics is None:
            return _LOWEST
        limits = find_limits(statistics)
        if limits is None:
            return None if statistics.has_null_count and not statistics.num_values else _LOWEST
        step = find_limits(file.statistics(group, "step"))
        rank = find_limits(file.statistics(group, "rank"))
        return (
            -limits[1] if self.is_highest else limits[0],
            -math.inf if step is None else step[0],
            run or "",
            -math.inf if rank is None else rank[0],
        )


class _Candidate(NamedTuple):
    """A row group that may have extreme events.

    Attributes:
        bound: A key that is not above that of any of its events.
        number: The number of its file.
        group: The number of the row group.
    """

    bound: _Key
    number: int
    group: int


def read_extremes(
    files: Sequence[PartFile], columns: KnownSchemas, select: Prefilter, extremes: Extremes
) -> list[ScanResult] | None:
    """Return the events of each file that may be among the extreme ones of all files.

    Args:
        files: The files.
        columns: Which columns to read.
        select: Returns the extreme ones of some events.
        extremes: Which events these are.

    Returns:
        The results; None if the values aren't numbers in all files.
    """

    def open_file(numbered: tuple[int, PartFile]) -> tuple[pa.Schema, list[_Candidate]]:
        number, file = numbered
        with open_part(file.path) as opened:
            schema, names = columns.find(opened.schema_arrow)
            if extremes.column not in names or not _has_numbers(schema, extremes.column):
                return schema, []
            bounds = {
                group: extremes.bound(opened, group, file.run)
                for group in find_groups(opened, file.row_filter)
            }
        found = [_Candidate(bound, number, g) for g, bound in bounds.items() if bound is not None]
        return schema, found

    def read_group(candidate: _Candidate) -> pa.Table:
        file = files[candidate.number]
        with open_part(file.path) as opened:
            return select(read_groups(opened, [candidate.group], file, columns))

    outlines = map_in_threads(open_file, list(enumerate(files)))
    if not all(_has_numbers(schema, extremes.column) for schema, _ in outlines):
        return None
    candidates = sorted(candidate for _, of_file in outlines for candidate in of_file)
    events: list[list[pa.Table]] = [[] for _ in files]
    keys: list[_Key] = []
    start, count = 0, THREADS
    while start < len(candidates):
        if len(keys) == extremes.size and candidates[start].bound > keys[-1]:
            break
        chosen = candidates[start : start + count]
        for candidate, found in zip(chosen, map_in_threads(read_group, chosen), strict=True):
            events[candidate.number].append(found)
            keys += extremes.keys(found)
        keys = sorted(keys)[: extremes.size]
        start, count = start + count, 2 * count
    return [
        ScanResult(schema, pa.concat_tables(of_file) if of_file else pa.table({}))
        for (schema, _), of_file in zip(outlines, events, strict=True)
    ]


def _has_numbers(schema: pa.Schema, name: str) -> bool:
    """Whether a column holds numbers, or doesn't exist."""
    index = schema.get_field_index(name)
    return index < 0 or holds_numbers(schema.field(index).type)
