"""Ids of completions, which other events and views refer to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from logflume.pipeline.records import BufferItem, RecordTuple
from logflume.runs.info import RunInfo

__all__ = ["COMPLETION_IDS", "CompletionIds"]

_TYPE = "model_output"


class CompletionIds:
    """Numbers the completions that this process logs in an attempt of a run.

    Ids are assigned in the training process, by the thread that takes records from the buffer.
    `seq` can't serve as the id: it is assigned after the processor chain, too late for other events
    to refer to it.
    """

    def __init__(self) -> None:
        self._prefix: str | None = None
        self._next = 0

    def start(self, run: RunInfo) -> None:
        """Number the completions of an attempt, from 0."""
        writer = f"rank{run.rank}" if run.process is None else f"{run.process}-rank{run.rank}"
        self._prefix, self._next = f"{writer}-{run.attempt}", 0

    def take(self, count: int) -> list[str | None]:
        """Return the next ids, such as `rank0-0-17`; None while no run is open."""
        first, self._next = self._next, self._next + count
        if self._prefix is None:
            return [None] * count
        return [f"{self._prefix}-{number}" for number in range(first, first + count)]

    def add_to(self, items: Iterable[BufferItem]) -> None:
        """Add ids to completions without one that were logged by single calls."""
        for item in items:
            if type(item) is not tuple:
                continue
            _, _, _, event, context, fields, _, _ = cast(RecordTuple, item)
            if event == _TYPE and "id" not in fields and "id" not in context:
                (fields["id"],) = self.take(1)


COMPLETION_IDS = CompletionIds()
"""The ids of this process."""
