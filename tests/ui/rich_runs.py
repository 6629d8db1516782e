"""Two runs that have something to show in every view: tools, tokens, GPUs, ranks and attempts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import logflume
from tests.ui.hostile_run import CONFIG

STEPS = 24
SIZE = 4
COMPLETION_STEPS = (4, 8, 16, 24)
SOLVED = {
    "learned": (0, 1, 2, 4),
    "lost": (2, 4, 1, 0),
    "hard": (0, 0, 0, 0),
    "easy": (4, 4, 4, 3),
}
"""How many of the four completions of each prompt are right, at each step with completions."""

PARTS_AT = 9
"""The first step at which the two runs have other metrics."""

PIECES = ["ĠThe", "Ġanswer", "Ċ", "Ã©"]
LOGPROBS = [-0.01, -0.5, -4.0, None]


def log_rich_runs(folder: Path) -> Path:
    """Log the runs `rich`, with two ranks and two attempts, and `other`, and return the folder."""
    with pytest.MonkeyPatch.context() as environment:
        for rank in (1, 0):
            environment.setenv("RANK", str(rank))
            _start(folder, "rich")
            _log(range(1, 21), rank, "rich")
            logflume.shutdown()
        _start(folder, "rich")
        _log(range(13, STEPS + 1), 0, "rich")
        logflume.shutdown()
    _start(folder, "other", learning_rate=2e-6)
    _log(range(1, STEPS + 1), 0, "other")
    logflume.shutdown()
    return folder


def _start(folder: Path, run: str, learning_rate: float = 1e-6) -> None:
    hyperparameters = {"learning_rate": learning_rate, "beta": 0.04}
    logflume.initialize(CONFIG, run=run, dir=folder, hyperparameters=hyperparameters)


def _log(steps: range, rank: int, run: str) -> None:
    log = logflume.get_logger()
    for step in steps:
        log.info("rank", step=step, host=f"node{rank}", generate_s=10.0 + rank, rewards_s=1.0)
        if rank:
            continue
        if step in COMPLETION_STEPS:
            for group, prompt in enumerate(SOLVED):
                _log_group(step, group, prompt)
        _log_metrics(step, run)


def _log_metrics(step: int, run: str) -> None:
    reward = step / 10 - (2.0 if run == "other" and step >= PARTS_AT else 0.0)
    logflume.get_logger().info(
        "training",
        step=step,
        loss=0.1 / step,
        reward=reward,
        reward_std=0.1,
        num_tokens=1_000.0 * step,
        **{"rewards/right/mean": reward, "rewards/right/std": 0.2},
        **{"rewards/form/mean": 0.5, "rewards/form/std": 0.0},
    )
    if step % 8 == 0:
        logflume.get_logger().info("validation", step=step, accuracy=step / 100, note="fine")
    if step == 16:
        logflume.get_logger().warning(
            "alert",
            step=step,
            signal="reward_hack",
            severity="critical",
            message="The reward rose without the answers.",
            metric="reward",
            completions=["r-0-8-10", "r-0-8-11"],
        )
    if step == 17:
        _log_alert(step, severity="warning", message="The KL divergence rose.")
    if step == 22:
        _log_alert(step, severity="info", message="It is over.", over_since=19)
    logflume.get_logger("system").info(
        "system",
        step=step,
        cpu_percent=50.0,
        **{f"gpu/{gpu}/utilization_percent": 90.0 - gpu for gpu in range(2)},
    )


def _log_alert(step: int, **fields: Any) -> None:
    logflume.get_logger().warning("alert", step=step, signal="kl_runaway", **fields)


def _log_group(step: int, group: int, prompt: str) -> None:
    solved = SOLVED[prompt][COMPLETION_STEPS.index(step)]
    totals = [float(index < solved) * 2 + 0.5 for index in range(SIZE)]
    model = logflume.get_model_logger()
    for index, total in enumerate(totals):
        right = index < solved
        answer = f"The answer is {7 if right else index}."
        call = {"function": {"name": "add", "arguments": {"a": step, "b": index}}}
        messages = [
            {"role": "assistant", "reasoning_content": "I think.", "tool_calls": [call]},
            {"role": "tool", "name": "add", "content": str(step + index)},
            {"role": "assistant", "content": answer},
        ]
        fields: dict[str, Any] = {"messages": json.dumps(messages)} if prompt == "easy" else {}
        model.info(
            "model_output",
            step=step,
            mode="train",
            generation=step,
            group=group,
            index=index,
            id=f"r-0-{step}-{group}{index}",
            prompt_id=prompt,
            question=f"The {prompt} question?",
            model_output=f"Let me see. {answer}",
            completion_tokens=10 * index,
            advantage=total - sum(totals) / SIZE,
            **{"rewards/total": total, "rewards/right": 2.0 * right, "rewards/form": 0.5},
            **{"quality/correct": right},
            **fields,
        )
        if index == 0:
            model.info(
                "tokens",
                step=step,
                mode="train",
                id=f"r-0-{step}-{group}{index}",
                token_ids=[5, 6, 7, 8],
                pieces=PIECES,
                logprob=LOGPROBS,
                ratio=[1.0, 1.2, 0.7, 1.0],
                mask=[1, 1, 1, 0],
            )
