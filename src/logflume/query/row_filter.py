"""Row filters: which events of a type a query selects, by step and `seq` number."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import reduce
from types import NoneType
from typing import Any, NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from logflume.exceptions import QueryError

__all__ = ["Limits", "RowFilter", "Steps"]

Steps: TypeAlias = int | tuple[int | None, int | None] | None
"""A step, or the first and the last step, where None means no limit; None: all."""

Limits: TypeAlias = tuple[int, int] | None
"""The minimum and maximum of a column; None if unknown."""


class RowFilter(NamedTuple):
    """Selects events of a type by step and `seq`.

    Attributes:
        first: The first step; None: no limit.
        last: The last step; None: no limit.
        seqs: The `seq` numbers of the events, sorted; None: all.
        min_seq: The lowest `seq` number.
        event_type: The event type; None: all events are of the one that is read.
    """

    first: int | None = None
    last: int | None = None
    seqs: Sequence[int] | None = None
    min_seq: int = 0
    event_type: str | None = None

    @classmethod
    def from_steps(cls, steps: Steps) -> RowFilter:
        """Return the filter for all events of some steps.

        Raises:
            QueryError: The value is not a step or a range of steps.
        """
        if steps is None or isinstance(steps, int):
            return cls(steps, steps)
        if (
            isinstance(steps, tuple)
            and len(steps) == 2
            and all(isinstance(step, (int, NoneType)) for step in steps)
        ):
            return cls(*steps)
        raise QueryError(
            f"steps={steps!r}: expected a step or a range (first, last), such as (100, None)"
        )

    @property
    def columns(self) -> list[str]:
        """The columns that the filter needs."""
        has_limits = (self.first, self.last) != (None, None)
        names = ["step"] * has_limits + ["seq"] * (self.seqs is not None or self.min_seq > 0)
        return names + ["event"] * (self.event_type is not None)

    def may_match(self, steps: Limits = None, seqs: Limits = None) -> bool:
        """Whether events whose columns have these limits may include matching ones."""
        if steps and self.first is not None and steps[1] < self.first:
            return False
        if steps and self.last is not None and steps[0] > self.last:
            return False
        if seqs and seqs[1] < self.min_seq:
            return False
        if seqs is None or self.seqs is None:
            return self.seqs is None or len(self.seqs) > 0
        following = bisect_left(self.seqs, seqs[0])
        return following < len(self.seqs) and self.seqs[following] <= seqs[1]

    def apply(self, events: pa.Table) -> pa.Table:
        """Return the matching events of a table that has the required columns."""
        # Masks: Arrow would plan the execution of an expression for each of a thousand files.
        masks: list[Any] = []
        if self.first is not None and self.first == self.last:
            masks.append(pc.equal(events["step"], pa.scalar(self.first)))
        elif self.first is not None:
            masks.append(pc.greater_equal(events["step"], pa.scalar(self.first)))
        if self.last is not None and self.first != self.last:
            masks.append(pc.less_equal(events["step"], pa.scalar(self.last)))
        if self.min_seq > 0:
            masks.append(pc.greater_equal(events["seq"], pa.scalar(self.min_seq)))
        if self.seqs is not None:
            seqs = pa.array(self.seqs, pa.int64())
            masks.append(pc.is_in(events["seq"], value_set=seqs))
        if self.event_type is not None:
            masks.append(pc.equal(events["event"], pa.scalar(self.event_type)))
        return events.filter(reduce(pc.and_, masks)) if masks else events
