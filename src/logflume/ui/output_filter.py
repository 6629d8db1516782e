"""Which completions a view shows: the filters of `run.outputs`, and two more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from logflume.query.columns import optional
from logflume.query.newest_first import OutputsPiece
from logflume.query.open_run import Run
from logflume.query.table import Table

__all__ = ["OutputFilter"]


class OutputFilter(NamedTuple):
    """Which completions to look for; see `run.outputs`.

    Attributes:
        search: A text.
        regex: Whether the text is a regular expression.
        reward: The column of the reward that the minimum and maximum apply to.
        min_reward: The minimum reward.
        max_reward: The maximum reward.
        correct: Only correct (True) or wrong (False) ones; None: both.
        truncated: Only truncated ones.
        tool_failed: Only those with a failed tool call.
        where: A condition in SQL.
    """

    search: str | None = None
    regex: bool = False
    reward: str = "rewards/total"
    min_reward: float | None = None
    max_reward: float | None = None
    correct: bool | None = None
    truncated: bool = False
    tool_failed: bool = False
    where: str | None = None

    @property
    def is_set(self) -> bool:
        """Whether it excludes anything."""
        return self != OutputFilter(regex=self.regex, reward=self.reward)

    def apply(self, run: Run, columns: Sequence[str], step: int) -> pa.Table:
        """Return the completions of a step that match."""
        table = run.outputs(steps=step, columns=self._columns(columns), **self._arguments()).arrow
        return self._narrow(table)

    def search_run(
        self, run: Run, columns: Sequence[str], last_step: int | None
    ) -> Iterator[OutputsPiece]:
        """Yield the completions of a run that match, those of the newest steps first.

        Args:
            run: The run.
            columns: The columns to return.
            last_step: The newest step to search; None: the last one.
        """
        pieces = run.iter_outputs(
            steps=None if last_step is None else (None, last_step),
            columns=self._columns(columns),
            **self._arguments(),
        )
        for piece in pieces:
            yield piece._replace(outputs=Table(self._narrow(piece.outputs.arrow)))

    def _arguments(self) -> dict[str, Any]:
        """Return the arguments that `outputs` and `iter_outputs` share."""
        return {
            "search": self.search,
            "regex": self.regex,
            "min_reward": self.min_reward,
            "max_reward": self.max_reward,
            "by": self.reward,
            "correct": self.correct,
            "where": self.where,
        }

    def _columns(self, columns: Sequence[str]) -> list[str]:
        own = map(optional, ("truncated", "tool_failures"))
        return [*columns, *(name for name in own if name not in columns)]

    def _narrow(self, table: pa.Table) -> pa.Table:
        if self.truncated:
            table = _where(table, "truncated", pc.equal, True)
        if self.tool_failed:
            table = _where(table, "tool_failures", pc.greater, 0)
        return table


def _where(table: pa.Table, name: str, compare: Callable[..., Any], value: Any) -> pa.Table:
    if name not in table.column_names:
        return table.slice(0, 0)
    return table.filter(compare(table[name], pa.scalar(value)))
