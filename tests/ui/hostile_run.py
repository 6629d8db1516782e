"""A run whose texts, names and tags try to do anything but show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import logflume

HOSTILE = (
    "<script>window.pwned=1</script><img src=x onerror=window.pwned=1>"
    "<svg onload=window.pwned=1> [x](javascript:window.pwned=1) \u202egnp.exe \x1b[31mred"
)
CONFIG: dict[str, Any] = {
    "root": {"level": "INFO", "sinks": ["jsonl"]},
    "processors": ["tag_step"],
    "sinks": {"jsonl": {"path": "{dir}/{run}/events.jsonl"}},
}
STEPS = 3
GROUPS = 2
SIZE = 4
LONG_NAME = "n" * 200
LONG = 120_000
"""Characters of the first completion, more than an answer holds."""


def log_hostile_run(folder: Path) -> Path:
    """Log a run, and return its folder."""
    logflume.initialize(
        CONFIG,
        run="hostile",
        dir=folder,
        tags=["<b>tag</b>"],
        notes=HOSTILE,
        hyperparameters={"<i>lr</i>": HOSTILE},
    )
    for step in range(1, STEPS + 1):
        log_step(step)
    logflume.get_logger().warning(HOSTILE)
    logflume.get_logger().info(
        "alert", step=2, signal="<b>kl</b>", message=HOSTILE, metric="loss", value=0.5
    )
    logflume.shutdown()
    return folder / "hostile"


def log_step(step: int) -> None:
    """Log the completions and metrics of a step."""
    for group in range(GROUPS):
        for index in range(SIZE):
            text = "y" * LONG if (step, group, index) == (1, 0, 0) else ""
            messages = [
                {
                    "role": "assistant",
                    "content": HOSTILE,
                    "tool_calls": [{"function": {"name": "<b>calc", "arguments": {"x": step}}}],
                },
                {"role": "tool", "content": HOSTILE},
            ]
            logflume.get_model_logger().info(
                "model_output",
                step=step,
                mode="train",
                generation=step,
                group=group,
                index=index,
                id=f"w-0-{step}{group}{index}",
                prompt_id=f"../p{group}",
                question=f"Question {group}? {HOSTILE}",
                model_output=f"{text}{HOSTILE} therefore {index}",
                messages=json.dumps(messages) if group else None,
                truncated=index == 3,
                tool_failures=int(index == 2),
                advantage=index - 1.5,
                **{
                    "rewards/total": 1.0 if group else float(index),
                    f"rewards/{LONG_NAME}": 0.0,
                    "rewards/<b>evil": float("nan") if index == 0 else float(index),
                    "quality/correct": index >= step,
                },
            )
        logflume.get_model_logger().info(
            "tokens",
            step=step,
            id=f"w-0-{step}{group}1",
            pieces=[HOSTILE, "</span>", None],
            token_ids=[1, 2, 3],
            logprob=[float("-inf"), float("nan"), -1.0],
        )
    loss = float("nan") if step == 2 else 1 / step
    logflume.get_logger().info(
        "training",
        step=step,
        loss=loss,
        reward=0.5 * step,
        reward_std=0.1,
        **{f"rewards/{HOSTILE}/mean": 0.5, "rewards/<b>evil/mean": 0.1},
    )
