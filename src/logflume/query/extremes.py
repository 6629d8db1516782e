"""Which row groups of Parquet files may have the lowest or highest values of a column.

The footer of a file has the limits of each column in each row group. So of a thousand files, most
need not be read to find the twenty completions with the lowest rewards.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from logflume.formats.parquet_file import ParquetFile, column_paths

__all__ = ["Extremes", "Key", "find_limits", "find_statistics"]

Key: TypeAlias = tuple[float, float, str, float]
"""The value (negative if the highest is first), the step, the run and the rank of an event. Events
are sorted by these first."""


_LOWEST: Key = (-math.inf, -math.inf, "", -math.inf)


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

    def keys(self, events: pa.Table) -> list[Key]:
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

    def bound(self, file: ParquetFile, group: int, run: str | None) -> Key | None:
        """Return a key that is not above that of any event in a row group.

        Args:
            file: The file, which has the column.
            group: The number of the row group.
            run: The run that its events are of; None: unknown.

        Returns:
            The key; None if no event has a value.
        """
        statistics = find_statistics(file, group, self.column)
        if statistics is None:
            return _LOWEST
        limits = find_limits(statistics)
        if limits is None:
            return None if statistics.has_null_count and not statistics.num_values else _LOWEST
        step = find_limits(find_statistics(file, group, "step"))
        rank = find_limits(find_statistics(file, group, "rank"))
        return (
            -limits[1] if self.is_highest else limits[0],
            -math.inf if step is None else step[0],
            run or "",
            -math.inf if rank is None else rank[0],
        )


def find_statistics(file: ParquetFile, group: int, name: str) -> Any:
    """Return the statistics of a column in a row group; None if there are none."""
    number = _find_column(file.metadata, file.schema_arrow.get_field_index(name), name)
    return None if number is None else file.metadata.row_group(group).column(number).statistics


def find_limits(statistics: Any) -> tuple[Any, Any] | None:
    """Return the lowest and the highest value, according to statistics; None if unknown."""
    if statistics is None or not statistics.has_min_max:
        return None
    low, high = statistics.min, statistics.max
    return None if low != low or high != high else (low, high)


def _find_column(footer: pq.FileMetaData, index: int, name: str) -> int | None:
    """Return the number of a Parquet column: that of the field, unless a struct is before it."""
    if index < 0:
        return None
    first: Any = footer.row_group(0)
    if index < footer.num_columns and first.column(index).path_in_schema == name:
        return index
    return next((n for n, path in enumerate(column_paths(footer)) if path == name), None)
