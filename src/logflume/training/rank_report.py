"""What each rank did in a step: the event `rank`, which shows a slow rank.

The duration of a step is the same on all ranks, because they wait for each other. Only the time
without the waiting shows which one is slow, so the two are measured separately.
"""

from __future__ import annotations

import socket
import time
from typing import Any

from logflume.guard import call_guarded
from logflume.logger.logger import get_logger
from logflume.resources import process_memory, torch_memory
from logflume.runs.identity import find_local_rank

__all__ = ["RANK_REPORT", "RankReport"]


class RankReport:
    """Adds up the times of this process within a step, and logs them at its end.

    Methods never raise: they are called by the training code.
    """

    def __init__(self) -> None:
        self._started_s: float | None = None
        self._seconds: dict[str, float] = {}

    def begin_step(self) -> None:
        """Start measuring a step. Rollouts that were generated before it belong to it."""
        self._started_s = time.perf_counter()

    def add_rollouts(self, generate_s: float, rewards_s: float, wait_s: float) -> None:
        """Add the times of a batch of rollouts, in seconds.

        Args:
            generate_s: The generation, without the rewards.
            rewards_s: All reward functions of this rank.
            wait_s: The rest of the scoring, in which the ranks gather each other's rewards.
        """
        times = {"generate_s": generate_s, "rewards_s": rewards_s, "wait_s": wait_s}
        for name, seconds in times.items():
            self._seconds[name] = self._seconds.get(name, 0.0) + max(0.0, seconds)

    def end_step(self, step: int) -> None:
        """Log the event of a step, on every rank."""
        call_guarded(self._log, step)
        self._started_s, self._seconds = None, {}

    def _log(self, step: int) -> None:
        fields: dict[str, Any] = {"host": socket.gethostname(), "local_rank": find_local_rank()}
        fields |= self._seconds
        if self._started_s is not None:
            fields["step_s"] = time.perf_counter() - self._started_s
        fields["memory_bytes"] = process_memory().get("process_memory_bytes")
        peaks = [n for name, n in torch_memory().items() if name.endswith("/peak_bytes")]
        if peaks:
            fields["gpu_peak_bytes"] = max(peaks)
        get_logger("system").info("rank", step=step, mode="train", **fields)


RANK_REPORT = RankReport()
"""The report of this process."""
