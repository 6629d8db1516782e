"""The values of many points at once: what `aggregate` returns for each of them, in numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logflume.query.groupings import Array, numbers_of
from logflume.values.aggregates import (
    SHARES_OF_GROUPS,
    ZERO_STD,
    aggregate_of,
    names_of_counts,
)

__all__ = ["PointValues"]

_Column: TypeAlias = tuple[Array, Array]
"""The values of a column, and where they are not null. Both of shape [events]."""


class PointValues:
    """The events of one type, divided into points of one or more events.

    Args:
        event_type: The type of the events.
        events: The events, perhaps without lists.
        of_event: The number of each event's point, from 0. Shape [events].
        sessions: The number of each event's training session. Of the events of a point that have a
            value, those with the highest number count. Shape [events].
        read_lists: Returns the lists of events of a type, for those that `events` lacks.
    """

    def __init__(
        self,
        event_type: str,
        events: pa.Table,
        of_event: Array,
        sessions: Array,
        read_lists: Callable[[str, pa.Table], pa.Table],
    ) -> None:
        self._event_type = event_type
        self._events = events
        self._of_event = of_event
        self._sessions = sessions
        self._sizes = np.bincount(of_event)
        self._columns: dict[str, _Column] = {}
        self._read_lists = read_lists
        self._lists: pa.Table | None = None

    def aggregate(self, name: str) -> Any:
        """Return the value of a field for each point, as an Arrow array; null if there is none."""
        how = aggregate_of(self._event_type, name)
        values, is_valid = self._column(name)
        rows = self._latest(np.flatnonzero(is_valid))
        if how == "last":
            rows = self._last_of_each_rank(rows)
        points, values = self._of_event[rows], values[rows]
        counts = self._sum(points)
        with np.errstate(all="ignore"):
            if how == "sum":
                found = self._sum(points, values)
            elif how in ("min", "max"):
                found = np.full(len(counts), np.inf if how == "min" else -np.inf)
                (np.minimum if how == "min" else np.maximum).at(found, points, values)
            else:
                weights = np.ones(len(rows)) if how == "last" else self._weights(name)[rows]
                found = self._mean(points, values, weights)
            is_single = counts[points] == 1
            found[points[is_single]] = values[is_single]
            found[self._sum(points, np.isnan(values)) > 0] = np.nan
            is_null = counts == 0
            if how == "std":
                pooled, is_pooled = self._pooled_std(name)
                found, is_null = np.where(is_pooled, pooled, found), is_null & ~is_pooled
        return pa.array(found, pa.float64(), mask=is_null)

    def _column(self, name: str) -> _Column:
        if name not in self._columns:
            is_valid = np.zeros(len(self._events), bool)
            if name in self._events.column_names:
                is_valid = pc.is_valid(self._events[name]).to_numpy()
            self._columns[name] = numbers_of(self._events, name), is_valid
        return self._columns[name]

    def _lengths(self, name: str) -> _Column:
        """Return the length of a list in each event, and whether the event has it."""
        lists = self._events
        if not _has_list(lists, name):
            if self._lists is None:
                self._lists = self._read_lists(self._event_type, self._events)
            lists = self._lists
        # Of a live run, events may be gone: they have become those of an earlier attempt.
        if not _has_list(lists, name) or len(lists) != len(self._events):
            return self._column(name)
        lengths: Any = pc.list_value_length(lists[name])
        is_valid = pc.is_valid(lengths).to_numpy()
        return pc.fill_null(lengths, 0).to_numpy().astype(np.float64), is_valid

    def _sum(self, points: Array, values: Array | None = None) -> Array:
        """Return the sum of the values of each point, or their number."""
        sums = np.bincount(points, values, minlength=len(self._sizes))
        return np.asarray(sums, np.float64)  # also those of no values

    def _latest(self, rows: Array) -> Array:
        """Return those of the rows that are of the latest training session of their point."""
        sessions, points = self._sessions[rows], self._of_event[rows]
        latest = np.full(len(self._sizes), -1)
        np.maximum.at(latest, points, sessions)
        return np.asarray(rows[sessions == latest[points]])

    def _last_of_each_rank(self, rows: Array) -> Array:
        ranks, _ = self._column("rank")
        _, numbers = np.unique(ranks[rows], return_inverse=True)
        keys = self._of_event[rows] * (numbers.max(initial=0) + 1) + numbers
        _, from_end = np.unique(keys[::-1], return_index=True)
        return rows[np.sort(len(rows) - 1 - from_end)]

    def _mean(self, points: Array, values: Array, weights: Array) -> Array:
        """Return weighted means. Values without weight are left out, unless all are without."""
        has_weight = weights != 0
        is_without = self._sum(points, has_weight) == 0
        kept = has_weight | is_without[points]
        weights = np.where(has_weight, weights, 1.0)[kept]
        points, values = points[kept], values[kept]
        total = self._sum(points, weights)
        mean = self._sum(points, weights * values) / total
        # The sum of large numbers isn't finite.
        parts = self._sum(points, weights / total[points] * values)
        return np.where(np.isfinite(mean), mean, parts)

    def _weights(self, name: str) -> Array:
        """Return the number of values, or of groups, that each value of a field is the mean of."""
        if name.endswith(ZERO_STD):
            return self._count_groups(name.removesuffix(ZERO_STD))
        if name in SHARES_OF_GROUPS:
            groups, is_known = self._column("groups")
            return np.where(is_known, groups, self._count_groups("rewards/total"))
        weights = np.ones(len(self._events))
        for count in reversed(names_of_counts(name)):
            numbers, is_known = self._column(count)
            weights = np.where(is_known, np.where(_are_counts(numbers), numbers, 1.0), weights)
        return weights

    def _count_groups(self, name: str) -> Array:
        lengths, has_length = self._lengths(name)
        sizes, has_size = self._column("num_generations")
        is_known = has_length & has_size & (lengths != 0) & (sizes != 0)
        return np.where(is_known, lengths / sizes, 1.0)

    def _pooled_std(self, name: str) -> tuple[Array, Array]:
        """Return the standard deviation of all values behind the events, and where it is known."""
        base = name.removesuffix("std")
        (numbers, has_n), (means, has_mean) = self._column(f"{base}n"), self._column(f"{base}mean")
        rows = self._latest(np.flatnonzero(has_n & has_mean & (numbers != 0)))
        rows = rows[_are_counts(numbers[rows])]
        points, n, m = self._of_event[rows], numbers[rows], means[rows]
        values, has_std = self._column(name)
        std = np.where(has_std, values, 0.0)[rows]
        count = self._sum(points, n)
        mean = self._sum(points, n * m) / count
        distances = m - mean[points]
        squares = self._sum(points, (n - 1) * std * std + n * distances * distances)
        return np.sqrt(squares / (count - 1)), (count >= 2) & (self._sizes > 1)


def _has_list(events: pa.Table, name: str) -> bool:
    index = events.schema.get_field_index(name)
    return index >= 0 and pa.types.is_list(events.schema.field(index).type)


def _are_counts(numbers: Array) -> Array:
    return np.asarray((numbers >= 0) & (numbers < np.inf))
