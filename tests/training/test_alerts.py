"""`watch_training` on real trainings of the demo, with and without reward hacking."""

from __future__ import annotations

from typing import Any

import pytest

from logflume.demo.options import Options
from logflume.demo.rewards import REWARD_FUNCTIONS, choose_rewards
from logflume.processors.watch_training import WatchTraining
from logflume.protocols import Event
from logflume.testing import capture_events
from logflume.training import attach


def train(steps: int, rewards: list[Any], seed: int = 0) -> list[Event]:
    """Train as the demo does, and return the events."""
    from trl import GRPOTrainer

    from logflume.demo.training import prepare

    with capture_events("tag_step", "flatten_rewards", WatchTraining()) as events:
        setup = prepare(Options(model=None, steps=steps, seed=seed, config=None, dir=None))
        trainer = GRPOTrainer(
            model=setup.model,
            processing_class=setup.tokenizer,
            args=setup.config,
            train_dataset=setup.dataset,
            reward_funcs=rewards,
        )
        with attach(trainer):
            trainer.train()
    return events


def of_type(events: list[Event], event_type: str) -> list[Event]:
    """Return the events of one type."""
    return [event for event in events if event["event"] == event_type]


@pytest.mark.parametrize("seed", [0, 2])
def test_reward_hacking_raises_an_alert(seed: int) -> None:
    """With a reward for each closing tag, the policy learns to repeat it, which raises one alert
    with the numbers of the trainer. (With seed 1 it doesn't find the hack within 40 steps.)"""
    events = train(40, choose_rewards(lenient_format=True), seed)
    (alert,) = of_type(events, "alert")
    assert "reward_with_truncation" == alert["signal"]
    assert alert["before"] < 0.1
    assert alert["reward_before"] < alert["reward"]
    reported = [event for event in of_type(events, "training") if event["step"] <= alert["step"]]
    window = reported[-int(alert["window_reports"]) :]
    shares = [event["completions/clipped_ratio"] for event in window]
    assert abs(sum(shares) / len(shares) - alert["value"]) < 1e-9
    assert shares[0] < 0.1 < 0.8 < shares[-1]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_normal_training_raises_no_alert(seed: int) -> None:
    """The shipped demo learns for 40 steps and raises no alert."""
    events = train(40, REWARD_FUNCTIONS, seed)
    assert [] == of_type(events, "alert")
    rewards = [event["reward"] for event in of_type(events, "training")]
    assert 40 == len(rewards)
    assert sum(rewards[:5]) < sum(rewards[-5:])
