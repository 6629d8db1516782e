"""The values of one metric so far: its last ones, and the levels of completed blocks."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from logflume.diagnosis.error_rate import BLOCK_REPORTS, critical_value, robust_freedom

__all__ = ["Block", "Series", "median"]

_TAIL = 50
_MAX_BLOCKS = 600
_NOISE_BLOCKS = 60
_MAD_TO_STD = 1.4826 / math.sqrt(2)  # of the difference of two values, to that of one


class Block(NamedTuple):
    """Ten successive values of a metric.

    Attributes:
        end: Number of the report with the last of them.
        level: Their median.
        mean: Their mean.
        std: Their standard deviation.
    """

    end: int
    level: float
    mean: float
    std: float


class Series:
    """The values of one metric, as they are reported.

    Memory is bounded: the last 50 values and at most 600 blocks are kept. If there are more blocks,
    the older half of them is thinned out.

    Attributes:
        count: Number of values so far.
        last: The last value.
        constant: Number of successive values that equal the last one.
        first: The first value.
        highest, lowest: The highest and lowest value so far.
        tail: The last values.
        blocks: The completed blocks.
        top, bottom: The completed blocks with the highest and the lowest level; None without any.
    """

    __slots__ = (
        "_noise",
        "_noise_at",
        "_open",
        "blocks",
        "bottom",
        "constant",
        "count",
        "first",
        "highest",
        "last",
        "lowest",
        "tail",
        "top",
    )

    def __init__(self) -> None:
        self.count = self.constant = 0
        self.first = self.last = math.nan
        self.highest, self.lowest = -math.inf, math.inf
        self.tail: deque[float] = deque(maxlen=_TAIL)
        self.blocks: list[Block] = []
        self.top: Block | None = None
        self.bottom: Block | None = None
        self._open: list[float] = []
        self._noise = 0.0
        self._noise_at = 0

    def append(self, value: float, report: int) -> bool:
        """Add a finite value; return whether that completes a block."""
        if value == self.last:
            self.constant += 1
        else:
            self.constant = 1
            self.last = value
            if value > self.highest:
                self.highest = value
            if value < self.lowest:
                self.lowest = value
        self.count += 1
        self.tail.append(value)
        values = self._open
        values.append(value)
        if len(values) < BLOCK_REPORTS:
            return False
        self._complete(values, report)
        return True

    def _complete(self, values: list[float], report: int) -> None:
        if not self.blocks:
            self.first = values[0]
        mean = sum(values) / BLOCK_REPORTS
        deviations = [value - mean for value in values]
        std = math.sqrt(sum(d * d for d in deviations) / (BLOCK_REPORTS - 1))
        block = Block(report, median(values), mean, std)
        self.blocks.append(block)
        if self.top is None or block.level > self.top.level:
            self.top = block
        if self.bottom is None or block.level < self.bottom.level:
            self.bottom = block
        self._open = []
        if len(self.blocks) > _MAX_BLOCKS:
            half = _MAX_BLOCKS // 2
            self.blocks = self.blocks[:half:2] + self.blocks[half:]

    def recent(self, reports: int) -> list[float]:
        """Return the last values, oldest first; fewer if there are not so many."""
        tail = self.tail
        return list(islice(tail, max(0, len(tail) - reports), None))

    def level(self, reports: int) -> float:
        """Return the median of the last values; NaN if there are not so many."""
        return median(self.recent(reports)) if self.count >= reports else math.nan

    def mean(self, blocks: int, before: int = 0) -> float:
        """Return the mean level of some blocks, the last of which is `before` blocks ago.

        NaN if there are not so many.
        """
        end = len(self.blocks) - before
        chosen = self.blocks[end - blocks : end] if end >= blocks else []
        return sum(block.level for block in chosen) / blocks if chosen else math.nan

    def mean_at(self, report: int, blocks: int = 3) -> float:
        """Return the mean level of the last blocks that were complete at a report; NaN if none."""
        end = bisect_right(self.blocks, (report, math.inf))
        chosen = self.blocks[max(0, end - blocks) : end]
        return sum(block.level for block in chosen) / len(chosen) if chosen else math.nan

    @property
    def noise(self) -> float:
        """The standard deviation of a block's level around a slow drift.

        From the differences of successive levels; infinite for fewer than three blocks.
        """
        count = len(self.blocks)
        if count < 3:
            return math.inf
        if self._noise_at != count or count >= _MAX_BLOCKS // 2:
            levels = [block.level for block in self.blocks[-_NOISE_BLOCKS:]]
            changes = [abs(b - a) for a, b in zip(levels, levels[1:], strict=False)]
            self._noise = _MAD_TO_STD * median(changes)
            if not self._noise:  # most levels are the same, such as zeros
                self._noise = math.sqrt(sum(c * c for c in changes) / len(changes) / 2)
            self._noise_at = count
        return self._noise

    def error(self, now: int, before: int) -> float:
        """Return the standard error of the difference of two means of levels of blocks."""
        return self.noise * math.sqrt(1 / now + 1 / before)

    def is_significant(self, change: float, now: int = 1, before: int = 1) -> bool:
        """Whether a change of mean levels exceeds what noise explains.

        Args:
            change: The change, in the direction that is tested.
            now, before: Number of blocks in each of the means.
        """
        count = min(len(self.blocks), _NOISE_BLOCKS)
        return change > critical_value(robust_freedom(count)) * self.error(now, before)


def median(values: Sequence[float] | Iterable[float]) -> float:
    """Return the median; of an even number, the lower of the two in the middle.

    >>> median([3.0, 1.0, 2.0])
    2.0
    """
    ordered = sorted(values)
    return ordered[(len(ordered) - 1) // 2]
