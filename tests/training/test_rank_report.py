"""The event `rank` of each step, from a real trainer."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from logflume.testing import capture_events
from logflume.training.attach import attach
from logflume.training.callbacks import EnhancedLoggingCallback
from tests.training import test_callbacks, tiny_trainers


def test_each_step_has_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every rank logs one, with its place, the duration of the step and its memory."""
    monkeypatch.setenv("SLURM_PROCID", "5")
    monkeypatch.setenv("SLURM_LOCALID", "1")
    events = test_callbacks.train(tmp_path, EnhancedLoggingCallback())
    reports = [event for event in events if event["event"] == "rank"]
    assert [1, 2, 3, 4, 5, 6] == [report["step"] for report in reports]
    for report in reports:
        assert (5, 1, socket.gethostname(), "train") == (
            report["rank"],
            report["local_rank"],
            report["host"],
            report["mode"],
        )
        assert report["step_s"] > 0
        assert report["memory_bytes"] > 10_000_000
        assert "generate_s" not in report


def test_generation_and_rewards_are_measured_apart(tmp_path: Path) -> None:
    """The time of a step's rollouts is in the report of the step, in seconds."""
    with capture_events("tag_step") as events:
        trainer = tiny_trainers.make_trainer(tmp_path, "grpo")
        attach(trainer)
        trainer.train()
    reports = [event for event in events if event["event"] == "rank"]
    generations = {e["step"]: e for e in events if e["event"] == "generation"}
    assert generations.keys() <= {report["step"] for report in reports}
    for report in reports:
        generated = generations[report["step"]]
        assert generated["generate_s"] == report["generate_s"]
        rewards_s = sum(v for name, v in generated.items() if name.startswith("reward_s/"))
        assert rewards_s == pytest.approx(report["rewards_s"])
        assert report["wait_s"] >= 0
        assert report["generate_s"] + report["rewards_s"] <= report["step_s"]
