"""The collapse of the reward: a steep fall is found early, low rewards that are usual are not."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from logflume.diagnosis.watch import Diagnosis

Rng = np.random.Generator


def found_at(rewards: Sequence[float]) -> list[int]:
    """Return the reports with which a collapse is found."""
    diagnosis = Diagnosis()
    return [
        report
        for report, reward in enumerate(rewards, 1)
        for finding in diagnosis.observe({"event": "training", "step": report, "reward": reward})
        if finding.signal == "reward_collapse"
    ]


def _solved(rng: Rng, chances: Sequence[float], completions: int = 40) -> list[float]:
    return [float(rng.binomial(completions, chance) / completions) for chance in chances]


@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (2, -1), (0.01, 0)])
@pytest.mark.parametrize("onset", [7, 12, 25, 90])
def test_a_steep_fall(onset: int, scale: float, offset: float) -> None:
    """A reward that falls to its minimum within ten reports is found, in a short run as well."""
    for seed in range(5):
        chances = [0.85] * onset + [0.85 * (1 - n / 10) for n in range(10)] + [0.01] * 30
        rewards = [scale * one + offset for one in _solved(np.random.default_rng(seed), chances)]
        (report,) = found_at(rewards)
        assert onset + 10 < report <= onset + 33


def test_a_fall_after_one_that_was_short() -> None:
    """A few low reports that are over don't hide a collapse."""
    chances = [0.9] * 7 + [0.03] * 3 + [0.9] * 18 + [0.01] * 12
    assert [40] == found_at(_solved(np.random.default_rng(1), chances))


def _rare(rng: Rng) -> list[float]:
    """Return the rewards of one group of eight, most of which never is solved."""
    return [float(rng.binomial(8, rng.beta(0.03, 0.27)) / 8) for _ in range(1000)]


def _stages(rng: Rng) -> list[float]:
    """Return the rewards of a curriculum, whose stages begin at a third of their level."""
    return _solved(rng, [0.65 - 0.4 * math.exp(-(n % 60) / 8) for n in range(600)])


def _scores(rng: Rng) -> list[float]:
    """Return the scores of a reward model, all of which are negative, and which fall by a tenth."""
    values = -5 - 0.5 * (np.arange(300) > 150) + 0.05 * rng.standard_normal(300)
    return [float(value) for value in values]


@pytest.mark.parametrize("rewards", [_rare, _stages, _scores])
def test_low_rewards_that_are_usual(rewards: Callable[[Rng], list[float]]) -> None:
    """Rewards that often are zero, that come back, or that hardly fall are no collapse."""
    assert [[]] * 10 == [found_at(rewards(np.random.default_rng(seed))) for seed in range(10)]


@pytest.mark.parametrize(
    ("score", "penalized"),
    [
        ("critic/score/mean", "critic/rewards/mean"),
        ("objective/scores", "objective/rlhf_reward"),
    ],
)
def test_the_score_before_the_penalty(score: str, penalized: str) -> None:
    """The score is judged, not what is left of it after the penalty on the KL divergence."""
    for is_lost in (False, True):
        diagnosis = Diagnosis()
        found = []
        for step in range(100):
            reward, lost = 0.8 + step / 1_000, 0.85 * min(1, max(0, step - 50) / 10)
            values = {penalized: reward - lost, score: reward - lost * is_lost}
            found += diagnosis.observe({"event": "training", "step": step, **values})
        assert [(score, "reward_collapse")] * is_lost == [
            (one.evidence.metric, one.signal) for one in found
        ]


def _fallen(rng: Rng) -> list[float]:
    """Return the rewards of an environment that lose nearly a half from report 200 on."""
    return _solved(rng, [0.8 - 0.36 * min(1.0, max(0, n - 200) / 60) for n in range(300)])


def _flat(rng: Rng) -> list[float]:
    """Return the rewards of an environment that stand still."""
    return _solved(rng, [0.4] * 300)


@pytest.mark.parametrize(
    ("code", "signals"), [(_fallen, ["reward_collapse"]), (_stages, []), (_flat, [])]
)
@pytest.mark.parametrize(
    ("total", "name"),
    [
        ("reward/all/mean", "reward/{}/mean"),
        ("train/agg/effective/agent/reward/mean", "train/{}/effective/agent/reward/mean"),
    ],
)
def test_one_of_several_environments(
    code: Callable[[Rng], list[float]], signals: list[str], total: str, name: str
) -> None:
    """An environment that is lost for good is named; one that others leave behind is no problem."""
    rng = np.random.default_rng(8)
    diagnosis = Diagnosis()
    found = []
    rising = _solved(rng, [0.3 + 0.5 * n / 300 for n in range(300)])
    for step, (first, second) in enumerate(zip(rising, code(rng), strict=False)):
        report = {name.format("games"): first, name.format("math"): second}
        report = {total: (first + second) / 2, **report}
        found += diagnosis.observe({"event": "training", "step": step, **report})
    assert signals == [f.signal for f in found]
    assert all("no other environment fell" in f.evidence.message for f in found)
