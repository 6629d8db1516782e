"""A change of the scale of the reward, between attempts or within one."""

from __future__ import annotations

from typing import NamedTuple

from logflume.diagnosis.detector import Detector
from logflume.diagnosis.finding import Evidence
from logflume.diagnosis.history import History
from logflume.diagnosis.jump import reports_since_rise

__all__ = ["Rescaling", "RewardRescaled", "find_rescaling"]

_FACTOR = 3.0
_JUMP = 1.5
_HIGHEST_SHARE = 1.0


class Rescaling(NamedTuple):
    """A jump of the reward.

    Attributes:
        before: The level before it.
        value: The level since then.
        limit: The level that is taken for another scale.
        reports: Number of reports since then.
    """

    before: float
    value: float
    limit: float
    reports: int


def find_rescaling(history: History) -> Rescaling | None:
    """Return the change of the reward's scale in the last 50 reports; None if there is none."""
    rewards, spreads = history["reward"], history["reward_std"]
    reports = reports_since_rise(history, "reward", _JUMP)
    if not reports:
        return None
    last = history.reports - reports
    value = rewards.recent_mean(reports)
    highest = max(abs(block.level) for block in rewards.blocks if block.end <= last)
    limit = max(_FACTOR * highest, _HIGHEST_SHARE)
    if value < limit:
        return None
    earlier = [block.mean for block in spreads.blocks if block.end <= last]
    if earlier and not spreads.recent_mean(reports) >= _FACTOR * max(earlier):
        return None
    return Rescaling(rewards.mean_at(last), value, limit, reports)


class RewardRescaled(Detector):
    """The reward has another scale than before, from one report to the next or since a resume.

    Within an attempt, in reports of one step each: each of the last ten or more reports is 1.5
    times as far from zero as each of the ten or more before. Their mean is above 1 and 3 times as
    far from zero as any block before; so is the spread within groups, if it is reported. What a
    policy learns takes several steps.

    Since a resume, which only `logflume diagnose` sees: the first two blocks after it are 1.5 times
    as far from zero as any block before, and by more than noise (a probability of 1/600). The
    spread of the reward within groups, if it is reported, is 1.5 times as wide as in any block
    before. The attempt before has at least 50 reports, because a policy that has just begun may
    learn as fast.
    """

    signal = "reward_rescaled"
    reads = ("reward",)
    meaning = "The reward has another scale, from one step to the next or since a resume."
    cause = "Weights or functions of the reward have changed, or their normalization started over."
    try_next = (
        "Look for what changes the reward at that step: `reward_weights`, a normalization, the "
        "service that computes it. At a resume, compare the reward functions of both attempts."
    )

    def evaluate(self, history: History) -> Evidence | None:
        """Compare the level and the spread since a jump with all before."""
        found = find_rescaling(history)
        if found is None:
            return None
        name = history.name("reward")
        return Evidence(
            f"{name} jumped from {found.before:.3g} to {found.value:.3g}, from one report to the "
            f"next, {found.reports} reports ago.",
            name,
            found.value,
            found.before,
            found.limit,
        )
