"""Batches of rollouts as they are read back, of several ranks and several batches in a step."""

from __future__ import annotations

from pathlib import Path

import pytest

import logflume
from logflume.training.rollout_events import log_rollouts
from logflume.training.rollouts import Rollouts
from tests.query.training_run import start


def log_batch(rank: int, correct: list[bool], generation: int) -> None:
    """Log a rank's part of a batch of two ranks, in groups of two completions."""
    count = len(correct)
    rollouts = Rollouts(
        generation=generation,
        global_step=0,
        step=1,
        mode="train",
        prompts=["1 + 1?"] * count,
        completions=[f"<answer>{2 if right else 3}</answer>" for right in correct],
        names=["right"],
        table=[[1.0]] * (2 * count),
        logs_batch=rank == 0,
        columns={"answer": ["2"] * count},
        group_size=2,
        first_row=rank * count,
    )
    log_rollouts(rollouts)


def test_shares_of_correct_groups_are_of_all_ranks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shares of correct groups cover the groups of all ranks and batches of a step."""
    batches = {
        0: ([True, True, True, False], [False, False]),
        1: ([False, False, False, False], [True, True]),
    }
    for rank, of_rank in batches.items():
        monkeypatch.setenv("RANK", str(rank))
        run = start(tmp_path)
        for generation, correct in enumerate(of_rank):
            log_batch(rank, correct, generation)
        logflume.shutdown()
    opened = logflume.open_run(run.folder)
    names = ("frac_all_correct", "frac_none_correct", "rewards/right/n")
    (row,) = opened.metrics(*names, wide=True).to_pylist()

    assert pytest.approx((2 / 6, 3 / 6, 12)) == tuple(row[name] for name in names)
    assert 12 == len(opened.sql("select * from rewards where function = 'right'"))
