"""`watch_training` on real trainings of the demo, with and without reward hacking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.diagnosis.diagnose_run import diagnose_run
from tests.demo.runs import DemoRun, run_demo
from tests.length import IS_LONG


def of_type(run: DemoRun, event_type: str) -> list[dict[str, Any]]:
    """Return the events of one type."""
    return [event for event in logflume.open_run(run.folder) if event["event"] == event_type]


@pytest.mark.parametrize(
    ("seed", "steps"), [(0, 40), (2, 40), (4, 40), (1, 100)] if IS_LONG else [(0, 40)]
)
def test_reward_hacking_raises_an_alert(
    seed: int, steps: int, hack_run: DemoRun, tmp_path: Path
) -> None:
    """With a reward for each closing tag, the policy learns to repeat it. The first alert names
    that function, at most three reports after half of the completions are truncated. (With seed 1
    it finds the hack at step 78, with seed 3 not within 120 steps.)"""
    arguments = ("--lenient-format", "--seed", str(seed), "--steps", str(steps))
    run = run_demo(tmp_path, *arguments) if seed else hack_run
    alert = of_type(run, "alert")[0]
    assert "reward_with_truncation" == alert["signal"]
    assert "lenient_format_reward_func" == alert["function"]
    share = "completions/clipped_ratio"
    reported = [event for event in of_type(run, "training") if share in event]
    half = next(event["step"] for event in reported if event[share] > 0.5)
    assert alert["step"] <= half + 3
    last = [event[share] for event in reported if event["step"] <= alert["step"]][-3:]
    assert abs(sum(last) / 3 - alert["value"]) < 1e-9
    assert alert["before"] < 0.1


def test_the_findings_are_the_alerts(hack_run: DemoRun) -> None:
    """Diagnosed afterwards, the run has the findings that it had live, in the worker process."""
    names = ("step", "signal", "severity", "message", "value", "before")
    recorded = [{n: alert.get(n) for n in names} for alert in of_type(hack_run, "alert")]
    found = [found.fields for found in diagnose_run(hack_run.folder).findings]
    assert recorded == [{n: finding.get(n) for n in names} for finding in found]


@pytest.mark.parametrize("seed", [0, 1, 2] if IS_LONG else [0])
def test_normal_training_raises_no_alert(seed: int, demo_run: DemoRun, tmp_path: Path) -> None:
    """The shipped demo learns for 40 steps and raises no alert."""
    run = run_demo(tmp_path, "--seed", str(seed)) if seed else demo_run
    assert [] == of_type(run, "alert")
    rewards = [e["reward"] for e in of_type(run, "training") if "reward" in e]
    assert 40 == len(rewards)
    assert sum(rewards[:5]) < sum(rewards[-5:])
