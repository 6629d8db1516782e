"""The collapse of the reward: it falls from its best level and stays there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from logflume.diagnosis.detector import Detector, has_lost, state
from logflume.diagnosis.error_rate import (
    BLOCK_REPORTS,
    PROBABILITY,
    chance_of_run,
)
from logflume.diagnosis.finding import Evidence
from logflume.diagnosis.history import History
from logflume.diagnosis.scale import CORRECTNESS, find_correctness, is_environment
from logflume.diagnosis.series import median

__all__ = ["RewardCollapse"]


class RewardCollapse(Detector):
    """The reward, or the share of correct answers, has lost most of what it had.

    The level of the last two blocks has fallen by `share` of the way from the best three blocks
    down to zero, or down to the lowest block if that is below zero. This distance is at least that
    of the best level from zero, so a reward that is always negative has to fall by its own size.
    For correct answers it must fall by `share` and half of the rest, because problems may become
    harder. Two thirds of `share` are enough if six blocks are that low, and the last three of them
    are not higher than the three before.

    A steep fall shows in one block. Its level has fallen by nine tenths of the way from the best
    five successive reports, and each of its reports by `share` of it. Reports that low were rare
    enough before that such a run of them is unlikely to be chance.

    A reward function that was never negative can collapse alone, under a total that holds or rises;
    this is a warning. The function has lost as much as stated above, and no other function has lost
    a fifth since this one's best blocks. For correct answers, the total must not have fallen
    either. A constant function is left to `constant_function`.

    At a resume, only `logflume diagnose` finds a collapse, which is a warning: the first two blocks
    of the total reward, or of a function, are a third lower than the three blocks before the step
    from which training was resumed, or as low as the first two of the attempt before; and lower
    by more than noise (a probability of 1/600).

    Args:
        share: Share of the reward that is lost.
    """

    signal = "reward_collapse"
    severity = "critical"
    reads = ("reward",)
    meaning = "The reward has fallen far below its best level, and stays there."
    cause = "The policy has degenerated, or the reward function or the environment is broken."
    try_next = (
        "Resume from the best checkpoint with a lower `learning_rate` or a higher `beta`; check "
        "that the reward function still works."
    )

    share: float = 0.6
    _LASTING_BLOCKS = 6
    _LASTING_BLOCKS_OF_ENVIRONMENTS = 3
    _COMPARED_BLOCKS = 3
    _LASTING_SHARE = 2 / 3
    _STEEP_SHARE = 0.9
    _BEST_REPORTS = 5
    _OTHERS_LOSS = 0.2

    _best: dict[str, tuple[float, int]] = state(dict)

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the last two blocks with the best three, and the last one with the reports."""
        correctness = find_correctness(history, CORRECTNESS)
        found = [self._evaluate(history, "reward", self.share, lasting=self._LASTING_BLOCKS)]
        found.append(self._steep(history))
        if correctness is not None:
            share = (1 + self.share) / 2
            found.append(self._evaluate(history, correctness, share, lasting=0))
        found += self._alone(history, correctness)
        return next((evidence for evidence in found if evidence is not None), None)

    def _evaluate(
        self, history: History, metric: str, share: float, *, lasting: int
    ) -> Evidence | None:
        """Compare with the best three blocks; `lasting` blocks may be less low, unless it is 0."""
        rewards = history[metric]
        if len(rewards.blocks) < 5 or rewards.bottom is None:
            return None
        earlier = (rewards.mean(3, before=2), rewards.blocks[-3].end)
        best, _ = self._best[metric] = max(self._best.get(metric, earlier), earlier)
        height = _height(best, rewards.bottom.level)
        value = max(block.level for block in rewards.blocks[-2:])
        limit = best - share * height
        if value >= limit and lasting:
            value = max(block.level for block in rewards.blocks[-lasting:])
            limit = best - self._LASTING_SHARE * share * height
            compared = self._COMPARED_BLOCKS
            if rewards.mean(compared) > rewards.mean(compared, before=compared):
                return None
        if value >= limit or not rewards.is_significant(best - value, 2, 3):
            return None
        name = history.name(metric)
        return Evidence(f"{name} fell from {best:.3g} to {value:.3g}.", name, value, best, limit)

    def _steep(self, history: History) -> Evidence | None:
        """Compare the last block with the best of the reports before it, out of the last fifty."""
        rewards = history["reward"]
        value, five = rewards.blocks[-1].level, self._BEST_REPORTS
        if value > (1 - self._STEEP_SHARE) * rewards.highest:
            return None
        before = list(rewards.tail)[:-BLOCK_REPORTS]
        if len(before) < five:
            return None
        best = max(median(before[end - five : end]) for end in range(five, len(before) + 1, five))
        height = _height(best, min(before))
        limit = best - self._STEEP_SHARE * height
        low = [one < best - self.share * height for one in rewards.tail]
        if value >= limit or not all(low[-BLOCK_REPORTS:]):
            return None
        length = next((n for n, is_low in enumerate(reversed(low)) if not is_low), len(low))
        earlier = low[: len(low) - length]
        if chance_of_run(length, len(earlier), sum(earlier)) > PROBABILITY:
            return None
        name = history.name("reward")
        return Evidence(f"{name} fell from {best:.3g} to {value:.3g}.", name, value, best, limit)

    def _alone(self, history: History, correctness: str | None) -> Iterator[Evidence]:
        """Yield the evidence of functions that have collapsed while the others have not."""
        metrics = [f"rewards/{function}/mean" for function in history.functions]
        for metric in metrics if len(metrics) > 1 else ():
            series = history[metric]
            if series.lowest < 0 or series.constant >= BLOCK_REPORTS:
                continue
            kind, lasting = "function", self._LASTING_BLOCKS
            if is_environment(history, metric):
                kind, lasting = "environment", self._LASTING_BLOCKS_OF_ENVIRONMENTS
            found = self._evaluate(history, metric, self.share, lasting=lasting)
            if found is None:
                continue
            report = self._best[metric][1]
            others = [other for other in metrics if other != metric]
            if any(has_lost(history[other], report, share=self._OTHERS_LOSS) for other in others):
                continue
            total = history["reward"]
            if metric == correctness and has_lost(total, report, share=0.0):
                continue
            what = f"{total.mean_at(report):.3g} to {total.mean(2):.3g}"
            yield replace(
                found,
                message=f"{found.message[:-1]}, while the reward went from {what} and no other "
                f"{kind} fell.",
                severity="warning",
            )


def _height(best: float, lowest: float) -> float:
    """Return how far a level can fall: to zero, or to the lowest one where that is negative."""
    return max(best - min(0.0, lowest), abs(best))
