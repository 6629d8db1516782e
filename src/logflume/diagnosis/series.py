"""The values of one metric so far: its last ones, and the levels of completed blocks."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from logflume.diagnosis.error_rate import BLOCK_REPORTS, CORRELATION_FACTOR, critical_value

__all__ = ["Block", "Series", "median"]

_TAIL = 50
_MAX_BLOCKS = 600
_NOISE_BLOCKS = 60
_MEDIAN_ERROR = 1.25 * CORRELATION_FACTOR / math.sqrt(BLOCK_REPORTS)
"""Standard error of a block's median, in standard deviations of its values."""

_FREEDOM_PER_BLOCK = 4
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
    the older half is thinned out.

    Attributes:
        count: Number of values so far.
        last: The last value.
        tail: The last values.
        blocks: The completed blocks.
        top, bottom: The completed blocks with the highest and the lowest level; None without any.
        highest, lowest: The highest and lowest value in completed blocks.
    """

    __slots__ = (
        "_constant",
        "_noise",
        "_noise_at",
        "blocks",
        "bottom",
        "count",
        "highest",
        "last",
        "lowest",
        "tail",
        "top",
    )

    def __init__(self) -> None:
        self.count = 0
        self.last = math.nan
        self.tail: deque[float] = deque(maxlen=_TAIL)
        self.blocks: list[Block] = []
        self.top: Block | None = None
        self.bottom: Block | None = None
        self.highest, self.lowest = -math.inf, math.inf
        self._constant = 0
        self._noise = 0.0
        self._noise_at = 0

    def append(self, value: float, report: int) -> bool:
        """Add a finite value; return whether that completes a block."""
        self.last = value
        self.tail.append(value)
        self.count += 1
        if self.count % BLOCK_REPORTS:
            return False
        self._complete(self.recent(BLOCK_REPORTS), report)
        return True

    def _complete(self, values: list[float], report: int) -> None:
        ordered = sorted(values)
        lowest, highest = ordered[0], ordered[-1]
        self.lowest, self.highest = min(self.lowest, lowest), max(self.highest, highest)
        self._constant = self._count_constant(values)
        mean, std = lowest, 0.0
        if lowest < highest:  # the sum of equal values may be rounded
            mean = sum(values) / BLOCK_REPORTS
            std = math.sqrt(sum([(v - mean) * (v - mean) for v in values]) / (BLOCK_REPORTS - 1))
        block = Block(report, ordered[(BLOCK_REPORTS - 1) // 2], mean, std)
        self.blocks.append(block)
        if self.top is None or block.level > self.top.level:
            self.top = block
        if self.bottom is None or block.level < self.bottom.level:
            self.bottom = block
        if len(self.blocks) > _MAX_BLOCKS:
            half = _MAX_BLOCKS // 2
            self.blocks = self.blocks[:half:2] + self.blocks[half:]

    @property
    def constant(self) -> int:
        """Number of successive values at the end that equal the last one."""
        return self._count_constant(self.recent(self.count % BLOCK_REPORTS))

    def _count_constant(self, values: list[float]) -> int:
        """Count the values that equal the last one, given those after the last completed block."""
        equal = 0
        for value in reversed(values):
            if value != self.last:
                return equal
            equal += 1
        before = self.count - len(values)
        is_continued = before > 0 and self._constant and self.tail[-1 - equal] == self.last
        return equal + self._constant if is_continued else equal

    def recent(self, reports: int) -> list[float]:
        """Return the last values, oldest first; fewer at the beginning."""
        return list(self.tail)[max(0, len(self.tail) - reports) :]

    def level(self, reports: int) -> float:
        """Return the median of the last values; NaN if there are fewer."""
        return median(self.recent(reports)) if self.count >= reports else math.nan

    def recent_mean(self, reports: int) -> float:
        """Return the mean of the last values; NaN if there are fewer.

        Useful for values that are often 0 or 1, whose median says little.
        """
        return sum(self.recent(reports)) / reports if self.count >= reports else math.nan

    def recent_error(self, reports: int) -> float:
        """Return the standard error of the mean of the last values; NaN if there are fewer."""
        mean = self.recent_mean(reports)
        squares = [(value - mean) * (value - mean) for value in self.recent(reports)]
        return math.sqrt(sum(squares) / (reports - 1) / reports)

    def mean(self, blocks: int, before: int = 0) -> float:
        """Return the mean level of some blocks, the last of which is `before` blocks ago.

        NaN if there are fewer.
        """
        end = len(self.blocks) - before
        chosen = self.blocks[end - blocks : end] if end >= blocks else []
        return sum([block.level for block in chosen]) / blocks if chosen else math.nan

    def mean_at(self, report: int, blocks: int = 3) -> float:
        """Return the mean level of the last blocks that were complete at a report; NaN if none."""
        end = bisect_right(self.blocks, (report, math.inf))
        chosen = self.blocks[max(0, end - blocks) : end]
        return sum([block.level for block in chosen]) / len(chosen) if chosen else math.nan

    def crossing(self, level: float, *, is_rise: bool) -> int:
        """Return the last report at which the level was on the other side of a limit; 0 if none.

        Args:
            level: The limit.
            is_rise: Whether the series is above the limit now.
        """
        for block in reversed(self.blocks):
            if (block.level < level) if is_rise else (block.level > level):
                return block.end
        return 0

    @property
    def noise(self) -> float:
        """The standard deviation of a block's level around a slow drift; infinite without any."""
        count = len(self.blocks)
        if self._noise_at != count or count >= _MAX_BLOCKS // 2:
            self._noise, self._noise_at = self._estimate_noise(), count
        return self._noise

    def _estimate_noise(self) -> float:
        blocks = self.blocks[-_NOISE_BLOCKS:]
        if not blocks:
            return math.inf
        spread = median([block.std for block in blocks])
        within = _MEDIAN_ERROR * (spread or _spread_if_any(blocks))
        if len(blocks) < 3:
            return within
        return max(within, _deviation([b.level - a.level for a, b in pairwise(blocks)]))

    @property
    def noise_of_means(self) -> float:
        """The standard deviation of a block's mean around a slow drift; infinite without any.

        Smaller than `noise`, but not robust: an outlier changes a mean.
        """
        if not self.blocks:
            return math.inf
        within = median([block.std for block in self.blocks]) / math.sqrt(BLOCK_REPORTS)
        changes = [b.mean - a.mean for a, b in pairwise(self.blocks)]
        return max(within, _deviation(changes)) if changes else within

    def error(self, now: float, before: float) -> float:
        """Return the standard error of the difference of two means of levels.

        Args:
            now: Number of blocks in the later mean; less than 1 for fewer reports.
            before: Number of blocks in the earlier mean.
        """
        return self.noise * math.sqrt(1 / now + 1 / before)

    def is_significant(
        self, change: float, now: float = 1, before: float = 1, conditions: int = 1
    ) -> bool:
        """Whether a change of mean levels exceeds what noise explains.

        Args:
            change: The change, in the direction that is tested.
            now: Number of blocks in the later mean; less than 1 for fewer reports.
            before: Number of blocks in the earlier mean.
            conditions: Number of metrics whose changes must be significant at once.
        """
        freedom = _FREEDOM_PER_BLOCK * min(len(self.blocks), _NOISE_BLOCKS)
        return change > critical_value(freedom, conditions) * self.error(now, before)


def _spread_if_any(blocks: Sequence[Block]) -> float:
    """Return the median spread of the blocks that vary, if most are constant; 0 if all are.

    A metric that is usually constant, such as a share that is zero, varies now and then. Blocks in
    which it goes from one constant to another are left out, if it does so only once: that is a
    change, not noise.
    """
    stretches = [list(some) for _, some in groupby(blocks, key=lambda block: block.std > 0)]
    varying = [stretch for stretch in stretches if stretch[0].std > 0]
    changes = [
        between
        for before, between, after in zip(stretches, stretches[1:], stretches[2:], strict=False)
        if between[0].std > 0 and before[-1].level != after[0].level
    ]
    if len(changes) == 1:
        varying.remove(changes[0])
    return median([block.std for stretch in varying for block in stretch] or [0.0])


def _deviation(changes: Sequence[float]) -> float:
    """Return the standard deviation of values around a drift, given their changes."""
    drift = median(changes)
    return _MAD_TO_STD * median([abs(change - drift) for change in changes])


def median(values: Sequence[float] | Iterable[float]) -> float:
    """Return the median; of an even number, the lower of the two in the middle.

    >>> median([3.0, 1.0, 2.0])
    2.0
    """
    ordered = sorted(values)
    return ordered[(len(ordered) - 1) // 2]
