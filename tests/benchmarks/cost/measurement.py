"""What is measured, in a form that goes through a command line."""

from __future__ import annotations

import json
from typing import NamedTuple

from tests.benchmarks.cost.beside import Beside
from tests.benchmarks.cost.work import Work

__all__ = ["Measurement"]


class Measurement(NamedTuple):
    """One measurement.

    Attributes:
        work: What a call logs: the scalars of a step, or its completions.
        rate: Calls a second; None: without a pause.
        beside: What another thread of the process does meanwhile.
        seconds: When to stop making calls.
        most: Calls after which it stops in any case. At full speed this keeps it a burst that every
            queue can hold: what a caller pays for a queue that is full is another question.
    """

    work: Work = "scalars"
    rate: float | None = None
    beside: Beside = "nothing"
    seconds: float = 2.0
    most: int = 20_000

    def label(self) -> str:
        """Return it in words."""
        words = [self.work, "full speed" if self.rate is None else f"{self.rate:,.0f}/s"]
        words += {"nothing": [], "python": ["GIL busy"], "matmul": ["beside a matmul"]}[self.beside]
        return ", ".join(words)

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(self._asdict())

    @staticmethod
    def from_json(text: str) -> Measurement:
        """Return what `to_json` has written."""
        return Measurement(**json.loads(text))
