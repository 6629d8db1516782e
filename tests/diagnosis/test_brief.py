"""`logflume brief`: what matters about a run, within its limit of tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.diagnosis.brief import MAX_TOKENS, count_tokens, make_brief
from tests.cli.commands import run as run_command
from tests.diagnosis.corpus import failing_runs
from tests.diagnosis.test_diagnose_run import record

STARTED: dict[str, Any] = {
    "event": "run_started",
    "hyperparameters": {"learning_rate": 1e-6, "beta": 0.04, "bf16": True},
}


def test_what_a_brief_contains(tmp_path: Path) -> None:
    """A brief has the status, the findings, the configuration, curves and completions."""
    (run,) = failing_runs("tuning", 1, "repetition")
    folder = record(tmp_path, [STARTED, *run.events])
    text = run_command(tmp_path, "brief", str(folder)).stdout
    assert "status finished" in text
    assert "repetition. The share of completions that repeat themselves went" in text
    assert "beta=0.04" in text
    assert "- reward: " in text or "rewards/mean: " in text or "reward/all/mean: " in text
    assert "highest reward 1" in text
    assert count_tokens(text) <= MAX_TOKENS


def curves_of(folder: Path) -> list[str]:
    """Return the names of the curves of a brief, in order."""
    text = make_brief(logflume.open_run(folder))
    return [line.split(": ")[0] for line in text.split("\n- ")[1:]]


def test_the_curves_that_a_brief_has(tmp_path: Path) -> None:
    """Known metrics under any of their names, each once; of a reward function, only its mean."""
    fields = {"train/loss": 1.0, "actor/grad_norm": 1.0, "mine": 1.0, "rewards/format/std": 0.1}
    reward = {"rewards/total/mean": 0.5, "reward": 0.5, "rewards/format": 0.5}
    evaluated = {"event": "evaluation", "step": 2, "mode": "eval", "reward/mean": 0.5, "runtime": 1}
    training = [{"event": "training", "step": n, **fields, **reward} for n in range(3)]
    folder = record(tmp_path, [*training, evaluated])

    expected = ["reward", "train/loss", "actor/grad_norm", "rewards/format", "eval reward/mean"]
    assert expected == curves_of(folder)


@pytest.mark.parametrize("reported", [{}, {"reward": 0.75}])
def test_the_rewards_of_a_loop_of_ones_own(tmp_path: Path, reported: dict[str, float]) -> None:
    """Functions that only `reward` events have are among the curves, and evaluations with them."""
    logflume.initialize(dir=tmp_path, run="own")
    log = logflume.get_logger()
    for step in range(3):
        logflume.set_step(step)
        log.info("training", loss=0.5, **reported)
        log.info("reward", right=[1.0, 0.0], form=[0.5, 0.0])
    logflume.set_step(2, "eval")
    log.info("evaluation", accuracy=0.5)
    log.info("reward", right=[1.0, 0.0])
    logflume.shutdown()

    total = "reward" if reported else "rewards/total/mean"
    functions = ["rewards/form/mean", "rewards/right/mean"]
    evaluated = ["rewards/total/mean", "accuracy", "rewards/right/mean"]
    expected = [total, "loss", *functions, *(f"eval {name}" for name in evaluated)]
    assert expected == curves_of(tmp_path / "own")


def test_the_completions_that_a_brief_has(tmp_path: Path) -> None:
    """They are the best and the worst one of the last step with any, even of the same text."""
    completions = [
        {"event": "model_output", "step": step, "prompt": f"{n}?", "model_output": "7"}
        | {"rewards/total": float(n)}
        for step in (100, 109)
        for n in range(3)
    ]
    training = [{"event": "training", "step": step, "loss": 0.5} for step in range(120)]
    folder = record(tmp_path, [*training, *completions])

    lines = make_brief(logflume.open_run(folder)).splitlines()
    titles = [line for line in lines if line.startswith(("- highest", "- lowest"))]
    assert ["- highest reward 2, step 109", "- lowest reward 0, step 109"] == [
        " ".join(title.split()[:6]) for title in titles
    ]
    assert ["  Prompt: 2?", "  Prompt: 0?"] == [line for line in lines if "Prompt: " in line]


@pytest.mark.parametrize("max_tokens", [50, 300, MAX_TOKENS])
def test_the_limit_holds_whatever_the_run_contains(tmp_path: Path, max_tokens: int) -> None:
    """Long names, many functions and long texts are cut, and a line says so."""
    long = "長い" * 4_000
    settings = {f"setting_{n}_{'x' * 500}": long for n in range(100)}
    functions = {f"rewards/{'f' * 100}{n}/mean": 0.5 for n in range(100)}
    events: list[dict[str, Any]] = [
        {"event": "run_started", "hyperparameters": settings},
        *({"event": "training", "step": n, "reward": 0.5, **functions} for n in range(3)),
        *(
            {"event": "model_output", "step": 2, "model_output": f"{n}{long}", "rewards/total": n}
            for n in (0.5, 1.5)
        ),
    ]
    folder = record(tmp_path, events)
    text = make_brief(logflume.open_run(folder), max_tokens)
    assert count_tokens(text) <= max_tokens
    assert text.startswith("# Run ")
    assert text.endswith("(The rest is left out.)")
