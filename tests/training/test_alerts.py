"""`watch_training` on real trainings of the demo, with and without reward hacking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import logflume
from tests.demo.runs import DemoRun, run_demo
from tests.length import IS_LONG


def of_type(run: DemoRun, event_type: str) -> list[dict[str, Any]]:
    """Return the events of one type."""
    return [event for event in logflume.open_run(run.folder) if event["event"] == event_type]


@pytest.mark.parametrize("seed", [0, 2] if IS_LONG else [0])
def test_reward_hacking_raises_an_alert(seed: int, hack_run: DemoRun, tmp_path: Path) -> None:
    """With a reward for each closing tag, the policy learns to repeat it, which raises one alert
    with the numbers of the trainer. (With seed 1 it doesn't find the hack within 40 steps.)"""
    run = run_demo(tmp_path, "--lenient-format", "--seed", str(seed)) if seed else hack_run
    (alert,) = of_type(run, "alert")
    assert "reward_with_truncation" == alert["signal"]
    assert alert["before"] < 0.1
    assert alert["reward_before"] < alert["reward"]
    reported = [event for event in of_type(run, "training") if event["step"] <= alert["step"]]
    window = reported[-int(alert["window_reports"]) :]
    shares = [event["completions/clipped_ratio"] for event in window]
    assert abs(sum(shares) / len(shares) - alert["value"]) < 1e-9
    assert shares[0] < 0.1 < 0.8 < shares[-1]


@pytest.mark.parametrize("seed", [0, 1, 2] if IS_LONG else [0])
def test_normal_training_raises_no_alert(seed: int, demo_run: DemoRun, tmp_path: Path) -> None:
    """The shipped demo learns for 40 steps and raises no alert."""
    run = run_demo(tmp_path, "--seed", str(seed)) if seed else demo_run
    assert [] == of_type(run, "alert")
    rewards = [e["reward"] for e in of_type(run, "training") if "reward" in e]
    assert 40 == len(rewards)
    assert sum(rewards[:5]) < sum(rewards[-5:])
