"""Problems of the machine: steps that take longer, all or some; idle GPUs; memory that grows."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from logflume.diagnosis.detector import Change, Detector, state
from logflume.diagnosis.error_rate import BLOCK_REPORTS, poisson_tail
from logflume.diagnosis.finding import Evidence
from logflume.diagnosis.history import SECONDS_PER_TOKEN, History
from logflume.diagnosis.series import Series, median

__all__ = ["GpuIdle", "MemoryGrowth", "SlowSteps", "ThroughputDecay"]


class ThroughputDecay(Detector):
    """A step takes longer, for the same number of tokens.

    The last two blocks are compared with the fastest two successive blocks. The duration of a step
    has to grow by `factor`, and where tokens are reported, the duration per token as well. Without
    tokens, it has to grow by the square root of `factor` more than the length of completions; and
    because a jump may come from a larger batch, no jump within three reports may explain half of
    the growth. A reported throughput has to fall by the same factor.

    Generation lasts as long as that of the longest completion, so its growth is work as well: the
    duration has to grow by `factor` more than the longest completion; the duration per token, by
    `factor` more than its ratio to the mean.

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
        longest, mean = history["completions/max_length"], history["completions/mean_length"]
        if "throughput" in history:
            change = self._fallen(history["throughput"], longest, mean)
            if change is None:
                return None
            times = history["step_time"]
            if times.blocks and self._grown(times, longest) is None:
                return None
            return self._found(history, "throughput", *change)
        times = history["step_time"]
        if SECONDS_PER_TOKEN not in history:
            self._note_jump(times)
        if (change := self._grown(times, longest)) is None:
            return None
        if SECONDS_PER_TOKEN in history:
            if self._grown(history[SECONDS_PER_TOKEN], longest, mean) is None:
                return None
        elif not self._is_gradual(times, mean):
            return None
        return self._found(history, "step_time", *change)

    def _grown(
        self, times: Series, longest: Series, mean: Series | None = None
    ) -> tuple[float, float] | None:
        if len(times.blocks) < self._MIN_BLOCKS:
            return None
        fastest = min(_means_of_two(times))
        value = min(block.level for block in times.blocks[-2:])
        if not value >= self.factor * fastest > 0:
            return None
        if value < self.factor * fastest * _growth(longest, mean, _end_of(times, fastest)):
            return None
        return (fastest, value) if times.is_significant(value - fastest, 2, 2) else None

    def _fallen(self, rates: Series, longest: Series, mean: Series) -> tuple[float, float] | None:
        if len(rates.blocks) < self._MIN_BLOCKS:
            return None
        highest = max(_means_of_two(rates))
        value = max(block.level for block in rates.blocks[-2:])
        if self.factor * value > highest:
            return None
        if self.factor * value * _growth(longest, mean, _end_of(rates, highest)) > highest:
            return None
        return (highest, value) if rates.is_significant(highest - value, 2, 2) else None

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


def _end_of(series: Series, mean: float) -> int:
    """Return the report at which the two blocks end whose mean level this is."""
    means = _means_of_two(series)
    return next(b.end for b, one in zip(series.blocks[1:], means, strict=True) if one == mean)


def _growth(longest: Series, mean: Series | None, report: int) -> float:
    """Return the growth of the longest completion since a report; 1 if it isn't known.

    Args:
        longest: The length of the longest completion.
        mean: The mean length; if given, the growth is that of the ratio to it.
        report: Number of that report.
    """
    growth = longest.mean(2) / (longest.mean_at(report, 2) or math.nan)
    if mean is not None:
        growth *= mean.mean_at(report, 2) / (mean.mean(2) or math.nan)
    return growth if growth > 1 else 1.0  # NaN: not reported


class _SlowStep(NamedTuple):
    """A step that took far longer than usual.

    Attributes:
        number: Number of its report.
        times: Its duration, as a multiple of the usual one.
    """

    number: int
    times: float


class SlowSteps(Detector):
    """Single steps that take far longer than the others become frequent.

    A step is slow if it takes at least `factor` times the median of the last 50, and is far outside
    their usual spread (four robust standard deviations of the logarithm). Generation lasts as long
    as that of the longest completion, so a step with a longer one may take longer by that much.

    The number of slow steps among the last 50 must have a probability of less than 1 in 5,000
    (Poisson) at the rate of the steps before them, until the first finding. There must be 20 such
    steps; 50 with a single slow one are added, and the rate is taken for at least one in 100, at
    which five slow steps do. There must be some in four of the last five blocks of ten steps,
    because a single disturbance passes, and they must add `share` to the time of the others.
    Evaluations and checkpoints are no evidence, because they were there before, or come at a
    constant distance. If more than half of a block is slow, all steps have changed, as with a
    larger batch.

    Args:
        factor: The smallest duration of a slow step, as a multiple of the median.
        share: What the slow steps add to the time of 50 usual ones, as a share of it.
    """

    signal = "slow_steps"
    reads = ("step_time", "completions/max_length")
    returns = False
    meaning = "More and more single steps take far longer than the others."
    cause = (
        "Stragglers: retries of a verifier, a tool or an inference server, a shared disk or "
        "network, or single completions that don't end."
    )
    try_next = (
        "Compare the times of generation, rewards and update in these steps; set timeouts for "
        "rewards and tools; look at the load of disk, network and the other ranks."
    )

    _BLOCKS = 5
    _MIN_BLOCKS_WITH = 4
    _WINDOW = _BLOCKS * BLOCK_REPORTS
    _DEVIATIONS = 4.0
    _MIN_EARLIER = 20
    _ADDED = (1, 50)
    _LOWEST_RATE = 1 / 100
    _PROBABILITY = 1 / 5_000

    factor: float = 2.0
    share: float = 0.2
    _recent: deque[list[_SlowStep]] = state(deque)
    _earlier: int = state(0)
    _earlier_slow: int = state(0)
    _is_found: bool = state(False)

    def evaluate(self, history: History) -> Evidence | None:
        """Count the slow steps of the last 50 reports, and compare them with those before."""
        times = history["step_time"]
        durations = _for_same_work(times, history["completions/max_length"], self._WINDOW)
        if (usual := median(durations)) <= 0:
            return None
        limit = self._limit(durations, usual)
        first = times.count - BLOCK_REPORTS
        self._recent.append(
            [
                _SlowStep(first + n, duration / usual)
                for n, duration in enumerate(durations[-BLOCK_REPORTS:])
                if duration >= limit
            ]
        )
        if len(self._recent) > self._BLOCKS:
            left = self._recent.popleft()
            if not self._is_found:
                self._earlier += BLOCK_REPORTS
                self._earlier_slow += len(left)
        slow = [step for block in self._recent for step in block]
        added = sum(step.times - 1 for step in slow) / self._WINDOW
        if added < self.share or not self._is_frequent(slow):
            return None
        self._is_found = True
        worst = max(step.times for step in slow)
        return Evidence(
            f"{len(slow)} of the last {self._WINDOW} steps took up to {worst:.3g} times their "
            f"median of {usual:.3g} s; they add {added:.0%} to the time of the others.",
            history.name("step_time"),
            worst * usual,
            usual,
            limit,
        )

    def _limit(self, durations: Sequence[float], usual: float) -> float:
        # The logarithm of a median is the median of the logarithms.
        factors = [max(value / usual, usual / value) for value in durations if value > 0]
        deviation = 1.4826 * math.log(median(factors))
        return usual * max(self.factor, math.exp(min(self._DEVIATIONS * deviation, 50.0)))

    def _is_frequent(self, slow: Sequence[_SlowStep]) -> bool:
        """Whether there are more slow steps than usual, throughout, and not by a schedule."""
        counts = [len(block) for block in self._recent]
        if self._earlier < self._MIN_EARLIER or 2 * max(counts) > BLOCK_REPORTS:
            return False
        if sum(map(bool, counts)) < self._MIN_BLOCKS_WITH or _is_scheduled(slow):
            return False
        rate = (self._earlier_slow + self._ADDED[0]) / (self._earlier + self._ADDED[1])
        expected = self._WINDOW * max(rate, self._LOWEST_RATE)
        return poisson_tail(len(slow), expected) < self._PROBABILITY


def _for_same_work(times: Series, longest: Series, reports: int) -> list[float]:
    """Return the last durations; shorter by the factor by which a longest completion is longer."""
    durations, lengths = times.recent(reports), longest.recent(reports)
    if longest.count != times.count or (usual := median(lengths)) <= 0:
        return durations
    return [d / max(1.0, length / usual) for d, length in zip(durations, lengths, strict=True)]


def _is_scheduled(steps: Sequence[_SlowStep]) -> bool:
    """Whether all of the steps are a multiple of some distance apart."""
    return math.gcd(*(b.number - a.number for a, b in pairwise(steps))) > 1


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
    cause = "Training waits for something else: data, rewards, generation, another rank."
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
                f"{name} fell from {busy:.0f} to {value:.0f}%.", name, value, busy, self.percent
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
    each block must be higher than the one before; the first two blocks of training are left
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
