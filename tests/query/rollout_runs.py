"""Runs of completions for any prompts, and their visits as pandas groups them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import logflume
from tests.query.independent import journaled, latest
from tests.query.training_run import start

__all__ = ["VISIT", "Completion", "completions_of", "log_completions", "write_attempts"]

VISIT = ["attempt", "step", "mode", "generation", "group", "prompt_id"]


@dataclass(frozen=True)
class Completion:
    """A completion as a trainer logs it.

    Attributes:
        prompt: Number of the prompt.
        group: Number of the group within the generation.
        index: Number of the completion within the group.
        reward: Total reward; None: no function applies.
        correct: Measured correctness; None: not measured.
        answer: Text of the answer.
        step: Training step.
        mode: Mode; None: logged without one.
    """

    prompt: int
    group: int
    index: int
    reward: float | None
    correct: bool | None = None
    answer: str | None = None
    step: int | None = 1
    mode: str | None = "train"


def log_completions(completions: Iterable[Completion], **fields: Any) -> None:
    """Log completions, with further fields."""
    for one in completions:
        logflume.get_model_logger().info(
            "model_output",
            step=one.step,
            mode=one.mode,
            generation=one.step,
            group=one.group,
            index=one.index,
            prompt_id=f"{one.prompt:016x}",
            prompt=f"system\nquestion {one.prompt}",
            question=f"question {one.prompt}",
            model_output=f"completion {one.index} of {one.prompt}",
            answer=one.answer,
            completion_tokens=one.index + 1,
            **{"rewards/total": one.reward, "quality/correct": one.correct},
            **{"columns/level": f"level {one.prompt % 3}"},
            **fields,
        )


def write_attempts(folder: Path, attempts: Iterable[dict[int, list[Completion]]]) -> Path:
    """Write the completions of each attempt by rank, and return the run's folder."""
    with pytest.MonkeyPatch.context() as environment:
        for by_rank in attempts:
            for rank, completions in sorted(by_rank.items()):
                environment.setenv("RANK", str(rank))
                run = start(folder)
                log_completions(completions)
                logflume.shutdown()
    return run.folder


def completions_of(folder: Path, attempts: str = "current") -> pd.DataFrame:
    """Return the completions in the journals. Without a mode they are of a training."""
    events = journaled(folder, "model_output")
    if attempts == "current":
        events = [*latest(e for e in events if e["step"] is not None)] + [
            e for e in events if e["step"] is None
        ]
    frame = pd.DataFrame(events)
    for name in ("mode", "rewards/total", "quality/correct", "answer"):
        if name not in frame:
            frame[name] = None
    frame["mode"] = frame["mode"].fillna("train")
    frame["rewards/total"] = frame["rewards/total"].astype(float)
    return frame
