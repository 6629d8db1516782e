"""Compares the ranks of a run: one that is slower than the others makes all others wait."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from logflume.diagnosis.error_rate import BLOCK_REPORTS
from logflume.diagnosis.finding import Evidence, Finding, Severity
from logflume.diagnosis.series import median

__all__ = ["SlowRank"]

_FACTOR = 1.3
_BLOCKS = 3


class SlowRank:
    """A rank takes longer than the others to generate and to score its completions.

    Ranks differ only in the time before they wait for each other: that of generation and rewards,
    from their `generation` events. The median over ten batches of a rank is compared with the
    median of all ranks. A rank is slow if it takes 1.3 times as long in three blocks in a row.
    """

    signal = "slow_rank"
    severity: Severity = "warning"
    meaning = "One rank is slower than the others, and all of them wait for it."
    cause = "A throttled GPU, a shared machine, a slow disk, or longer prompts on that rank."
    try_next = "Compare clocks, temperature and other processes of its machine; shuffle the data."

    def __init__(self) -> None:
        self._open: dict[tuple[int, int], list[float]] = {}
        self._levels: dict[tuple[int, int], list[tuple[Any, float]]] = {}

    def add(self, rank: int, attempt: int, event: Mapping[str, Any]) -> None:
        """Add a `generation` event."""
        seconds = [
            value
            for name, value in event.items()
            if (name == "generate_s" or name.startswith("reward_s/")) and type(value) is float
        ]
        if not seconds or event.get("mode") == "eval":
            return
        values = self._open.setdefault((attempt, rank), [])
        values.append(sum(seconds))
        if len(values) == BLOCK_REPORTS:
            level = (event.get("step"), median(values))
            self._levels.setdefault((attempt, rank), []).append(level)
            values.clear()

    def findings(self) -> Iterator[tuple[int, Finding]]:
        """Yield the findings over the ranks, with their attempts."""
        for attempt in sorted({attempt for attempt, _ in self._levels}):
            ranks = {r: levels for (a, r), levels in self._levels.items() if a == attempt}
            blocks = min(map(len, ranks.values()))
            usual = [median([levels[i][1] for levels in ranks.values()]) for i in range(blocks)]
            for rank, levels in sorted(ranks.items()):
                ratios = [levels[i][1] / usual[i] if usual[i] > 0 else 1.0 for i in range(blocks)]
                for end in range(_BLOCKS, blocks + 1):
                    if min(ratios[end - _BLOCKS : end]) >= _FACTOR:
                        step, value = levels[end - 1]
                        yield attempt, self._finding(rank, len(ranks), step, value, usual[end - 1])
                        break

    def _finding(self, rank: int, ranks: int, step: Any, value: float, usual: float) -> Finding:
        evidence = Evidence(
            f"Rank {rank} takes {value:.3g} s to generate and score a batch; the median of "
            f"{ranks} ranks is {usual:.3g} s.",
            "generate_s",
            value,
            usual,
            _FACTOR * usual,
        )
        step = step if type(step) is int else None
        return Finding(self.signal, self.severity, step, evidence, self.cause, self.try_next)
