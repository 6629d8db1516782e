"""Which events of a type are asked for."""

from __future__ import annotations

from collections.abc import Collection
from functools import reduce
from types import NoneType
from typing import Any, NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from logflume.exceptions import QueryError

__all__ = ["Limits", "RowFilter", "Steps"]

Steps: TypeAlias = int | tuple[int | None, int | None] | None
"""One step, or the first and the last (None: no limit); None: all."""

Limits: TypeAlias = tuple[int, int] | None
"""The least and the greatest value of some events; None where that is not known."""


class RowFilter(NamedTuple):
    """Which events of a type are asked for.

    Attributes:
        first: The first step; None: no limit.
        last: The last step; None: no limit.
        seqs: The `seq` of the events; None: all.
    """

    first: int | None = None
    last: int | None = None
    seqs: Collection[int] | None = None

    @classmethod
    def of_steps(cls, steps: Steps) -> RowFilter:
        """Return the wish for all events of some steps.

        Raises:
            QueryError: They are no steps.
        """
        if steps is None or isinstance(steps, int):
            return cls(steps, steps)
        if (
            isinstance(steps, tuple)
            and len(steps) == 2
            and all(isinstance(step, (int, NoneType)) for step in steps)
        ):
            return cls(*steps)
        raise QueryError(f"steps={steps!r}: expected a step, or the first and last: (100, None)")

    @property
    def columns(self) -> list[str]:
        """What has to be known of an event to tell whether it is asked for."""
        has_limits = (self.first, self.last) != (None, None)
        return ["step"] * has_limits + ["seq"] * (self.seqs is not None)

    def may_be_among(self, steps: Limits, seqs: Limits) -> bool:
        """Whether some events may have such, as their limits tell."""
        if steps and self.first is not None and steps[1] < self.first:
            return False
        if steps and self.last is not None and steps[0] > self.last:
            return False
        if seqs is None or self.seqs is None:
            return True
        return any(seqs[0] <= seq <= seqs[1] for seq in self.seqs)

    def choose(self, events: pa.Table) -> pa.Table:
        """Return those that are asked for, of a table with the columns that tell."""
        # As masks: an expression makes Arrow plan an execution, for each of a thousand files.
        masks: list[Any] = []
        if self.first is not None and self.first == self.last:
            masks.append(pc.equal(events["step"], pa.scalar(self.first)))
        elif self.first is not None:
            masks.append(pc.greater_equal(events["step"], pa.scalar(self.first)))
        if self.last is not None and self.first != self.last:
            masks.append(pc.less_equal(events["step"], pa.scalar(self.last)))
        if self.seqs is not None:
            wanted = pa.array(self.seqs, pa.int64())
            masks.append(pc.is_in(events["seq"], value_set=wanted))
        return events.filter(reduce(pc.and_, masks)) if masks else events
