"""Problems of the machine: steps that take longer, a GPU that idles, memory that grows."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from itertools import pairwise

from logflume.diagnosis.detector import Change, Detector, state
from logflume.diagnosis.error_rate import BLOCK_REPORTS
from logflume.diagnosis.finding import Evidence
from logflume.diagnosis.history import SECONDS_PER_TOKEN, History
from logflume.diagnosis.series import Series, median

__all__ = ["GpuIdle", "MemoryGrowth", "ThroughputDecay"]


class ThroughputDecay(Detector):
    """A step takes longer, for the same number of tokens.

    The last two blocks are compared with the fastest two successive blocks. The duration of a step
    has to grow by `factor`, and where tokens are reported, the duration per token as well. Without
    tokens, it has to grow by the square root of `factor` more than the length of completions; and
    because a jump may come from a larger batch, no jump within three reports may explain half of
    the growth. A reported throughput has to fall by the same factor.

    Args:
        factor: The growth of the duration.
    """

    signal = "throughput_decay"
    reads = ("step_time", "throughput")
    triggers = 2
    meaning = "Steps take longer and longer for the same work."
    cause = "A memory leak, a throttled GPU, a slow disk or network, or a slow reward function."
    try_next = (
        "Compare the times of generation, rewards and update; check clocks and temperature of the "
        "GPUs and the memory of the process."
    )

    _MIN_BLOCKS = 5

    factor: float = 1.5
    _jumps: deque[tuple[int, float]] = state(lambda: deque(maxlen=600))

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the last two blocks with the fastest two."""
        if "throughput" in history:
            rate = history["throughput"]
            if (change := self._fallen(rate)) is None:
                return None
            times = history["step_time"]
            if times.blocks and self._grown(times) is None:
                return None
            return self._found(history, "throughput", *change)
        times = history["step_time"]
        if SECONDS_PER_TOKEN not in history:
            self._note_jump(times)
        if (change := self._grown(times)) is None:
            return None
        if SECONDS_PER_TOKEN in history:
            if self._grown(history[SECONDS_PER_TOKEN]) is None:
                return None
        elif not self._is_gradual(times, history["completions/mean_length"]):
            return None
        return self._found(history, "step_time", *change)

    def _grown(self, times: Series) -> tuple[float, float] | None:
        if len(times.blocks) < self._MIN_BLOCKS:
            return None
        fastest = min(_means_of_two(times))
        value = min(block.level for block in times.blocks[-2:])
        is_slow = value >= self.factor * fastest > 0
        return (fastest, value) if is_slow and times.is_significant(value - fastest, 2, 2) else None

    def _fallen(self, rates: Series) -> tuple[float, float] | None:
        if len(rates.blocks) < self._MIN_BLOCKS:
            return None
        highest = max(_means_of_two(rates))
        value = max(block.level for block in rates.blocks[-2:])
        is_slow = self.factor * value <= highest
        return (highest, value) if is_slow and rates.is_significant(highest - value, 2, 2) else None

    def _is_gradual(self, times: Series, lengths: Series) -> bool:
        growth = 1.0
        if lengths.bottom is not None and lengths.bottom.level > 0:
            growth = max(1.0, lengths.mean(2) / lengths.bottom.level)
        fastest = min(pairwise(times.blocks), key=lambda pair: pair[0].level + pair[1].level)
        before, value = (fastest[0].level + fastest[1].level) / 2, times.blocks[-1].level
        if value < math.sqrt(self.factor) * growth * before:
            return False
        jumps = (jump for end, jump in self._jumps if end > fastest[0].end)
        return max(jumps, default=math.inf) ** 2 < value / before

    def _note_jump(self, times: Series) -> None:
        """Note how much longer steps have become within three reports, at most."""
        if times.count % BLOCK_REPORTS:
            return
        values = times.recent(BLOCK_REPORTS + 5)
        smooth = [median(values[i : i + 3]) for i in range(len(values) - 2)]
        pairs = zip(smooth, smooth[3:], strict=False)
        jump = max(b / a if a > 0 else math.inf for a, b in pairs)
        self._jumps.append((times.blocks[-1].end, jump))

    def _found(self, history: History, metric: str, before: float, value: float) -> Evidence:
        name = history.name(metric)
        return Evidence(
            f"{name} went from {before:.3g} to {value:.3g} for the same work.",
            name,
            value,
            before,
            before * self.factor if metric == "step_time" else before / self.factor,
        )


def _means_of_two(series: Series) -> Iterator[float]:
    return ((a.level + b.level) / 2 for a, b in pairwise(series.blocks))


class GpuIdle(Detector):
    """A GPU that was busy is idle most of the time.

    Idle samples exceed the others by 20. One report counts for at most seven of them, so the GPU is
    idle for minutes and in at least three steps. A checkpoint, an evaluation, or a generation that
    leaves the GPU idle for a part of each step is no evidence. The excess never falls below zero,
    so it doesn't matter how long the GPU was busy before.

    Args:
        percent: Highest utilization of an idle GPU.
    """

    signal = "gpu_idle"
    reads = ("machine/gpu/",)
    meaning = "A GPU is idle most of the time."
    cause = "The training waits for something else: data, rewards, generation, another rank."
    try_next = "Compare the times of generation and rewards; check the other GPUs and ranks."

    _BUSY_PERCENT = 40.0
    _EXCESS = 20
    _EXCESS_OF_REPORT = 7

    percent: float = 15.0
    _counts: defaultdict[str, _IdleCount] = state(lambda: defaultdict(_IdleCount))

    def evaluate(self, history: History) -> Evidence | None:
        """Count the samples of each GPU that completed a block."""
        found = None
        for metric in history.completed:
            if not metric.endswith("/utilization_percent"):
                continue
            series = history[metric]
            samples = series.recent(BLOCK_REPORTS)
            idle = sum(sample <= self.percent for sample in samples)
            count = self._counts[metric]
            count.add(2 * idle - len(samples), history.reports, self._EXCESS_OF_REPORT)
            value, busy = median(samples), series.top.level if series.top is not None else 0.0
            if count.excess < self._EXCESS or busy < self._BUSY_PERCENT or value > self.percent:
                continue
            name = history.name(metric)
            found = Evidence(
                f"{name} fell from {busy:.0f} to {value:.0f} %.", name, value, busy, self.percent
            )
        return found


class _IdleCount:
    """By how much the idle samples of a GPU exceed the busy ones."""

    def __init__(self) -> None:
        self.excess = 0
        self._pending = 0
        self._report = 0

    def add(self, excess: int, report: int, most: int) -> None:
        """Add that of some samples; it counts once a report has come, at most so much for each."""
        self._pending += excess
        if report > self._report:
            most *= report - self._report
            self.excess = max(0, self.excess + max(-most, min(self._pending, most)))
            self._pending, self._report = 0, report


class MemoryGrowth(Detector):
    """The memory of a process or a GPU grows at a constant rate.

    Over the last 100 samples, memory use grew by `share`, in nine of the last ten blocks, and as
    fast in the second half as in the first. A cache that fills up grows more slowly towards its
    end, and many caches fill up at the start: in the first 200 samples, memory use therefore has to
    grow by four times `share`. Over 40 samples, it has to grow by four times `share` as well, and
    each block must be higher than the one before; the first two blocks of the training are left
    out.

    A leak that is small for each sample shows over a longer time: the same test applies to the
    means of ten successive parts of the last 200, 400, 800 and 1,600 samples. Until the training
    has twice as many samples, the means have to grow by four times `share`.

    Args:
        share: Growth over 100 samples, or over the longer time, as a share of the memory in use.
    """

    signal = "memory_growth"
    reads = ("machine/",)
    returns = False
    meaning = "Memory use keeps growing."
    cause = "A leak: tensors kept with their graph, growing caches, completions kept in a list."
    try_next = "Look for lists that grow; detach tensors that are kept; restart from a checkpoint."

    _SCALES = (1, 2, 4, 8, 16)
    _BLOCKS = 10
    _FEW_BLOCKS = 4
    _EARLY_BLOCKS = 20
    _FIRST_BLOCKS = 2
    _TIMES = 4.0
    _SECOND_HALF = 0.6

    share: float = 0.15

    def evaluate(self, history: History) -> Evidence | None:
        """Look at the last blocks of each memory metric."""
        for metric in history.metrics("machine/"):
            if metric.endswith("percent"):
                continue
            levels = [block.level for block in history[metric].blocks]
            for scale in self._SCALES:
                if scale > 1 and len(levels) <= self._BLOCKS * scale:
                    break
                if (found := self._evaluate(history, metric, levels, scale)) is not None:
                    return found
        return None

    def _evaluate(
        self, history: History, metric: str, levels: list[float], scale: int
    ) -> Evidence | None:
        """Look at the means of successive blocks.

        Args:
            history: The metrics.
            metric: The metric.
            levels: The levels of its blocks.
            scale: Number of blocks in a mean.
        """
        times = self._TIMES if len(levels) < scale * self._EARLY_BLOCKS else 1.0
        chosen = _means(levels, scale, self._BLOCKS + 1)
        windows = [(chosen, self._BLOCKS, 1, times)]
        if scale == 1:
            windows.append((levels[self._FIRST_BLOCKS :], self._FEW_BLOCKS, 0, self._TIMES))
        for window, blocks, falls, factor in windows:
            limit = 1 + factor * self.share
            if (change := self._grown(window, blocks, falls, limit)) is not None:
                name = history.name(metric)
                return Evidence(
                    f"{name} grew from {change.before:.3g} to {change.value:.3g} over "
                    f"{BLOCK_REPORTS * blocks * scale:,} samples, and doesn't slow down.",
                    name,
                    change.value,
                    change.before,
                    limit * change.before,
                )
        return None

    def _grown(self, levels: list[float], blocks: int, falls: int, limit: float) -> Change | None:
        """Return the growth over the last blocks; None if it is below the limit, or not steady.

        Args:
            levels: The levels of the blocks.
            blocks: Number of the last blocks to look at.
            falls: How many of them may be lower than the one before.
            limit: The smallest growth, as a factor.
        """
        levels = levels[-blocks - 1 :]
        if len(levels) <= blocks:
            return None
        before, middle, value = levels[0], levels[blocks // 2], levels[-1]
        if not 0 < limit * before <= value:
            return None
        is_steady = value - middle >= self._SECOND_HALF * (middle - before)
        rises = sum(b > a for a, b in pairwise(levels))
        return Change(before, value) if is_steady and rises >= blocks - falls else None


def _means(levels: Sequence[float], scale: int, count: int) -> list[float]:
    """Return the means of `scale` successive levels, the last `count` of them; fewer if there are.

    >>> _means([9, 1, 3, 5, 7], 2, 5)
    [2.0, 6.0]
    """
    count = min(count, len(levels) // scale)
    start = len(levels) - count * scale
    return [
        sum(levels[begin : begin + scale]) / scale for begin in range(start, len(levels), scale)
    ]
