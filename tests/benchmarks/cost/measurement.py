"""The parameters of one measurement, and their JSON form for a command line."""

from __future__ import annotations

import json
from typing import NamedTuple

from tests.benchmarks.cost.background_load import Load
from tests.benchmarks.cost.workload import Workload

__all__ = ["Measurement"]


class Measurement(NamedTuple):
    """One measurement.

    Attributes:
        workload: What a call logs: the scalars of a step or its completions.
        rate: Calls per second; None: without a pause.
        background: What another thread of the process does meanwhile.
        seconds: How long calls are made.
        max_calls: The most calls. At full speed it limits the burst to what every queue can hold,
            and what is written within a usual shutdown: the cost of a call with a full queue is a
            separate question.
    """

    workload: Workload = "scalars"
    rate: float | None = None
    background: Load = "nothing"
    seconds: float = 2.0
    max_calls: int = 5_000

    def label(self) -> str:
        """Return a short description, such as `scalars, 1,000/s, GIL busy`."""
        words = [self.workload, "full speed" if self.rate is None else f"{self.rate:,.0f}/s"]
        words += {"nothing": [], "python": ["GIL busy"], "matmul": ["matmul running"]}[
            self.background
        ]
        return ", ".join(words)

    def to_json(self) -> str:
        """Return the measurement as JSON."""
        return json.dumps(self._asdict())

    @staticmethod
    def from_json(text: str) -> Measurement:
        """Return the measurement that `to_json` has written."""
        return Measurement(**json.loads(text))
