"""The labelled runs: complete, deterministic, and in two halves that share nothing."""

from __future__ import annotations

import pytest

from tests.diagnosis.corpus import SHAPES, failing_runs, healthy_runs
from tests.diagnosis.failing import FAILURES
from tests.diagnosis.healthy import HEALTHY


def test_the_same_run_each_time() -> None:
    """A run depends on its seed only."""
    first, second = (list(healthy_runs("tuning", 2, count=60)) for _ in range(2))
    assert first == second
    assert first[0].events != first[1].events


def test_the_halves_differ() -> None:
    """No run of one half is in the other, and the held-out half has shapes of its own."""
    tuning = {run.name for run in healthy_runs("tuning", len(HEALTHY), count=30)}
    held_out = {run.name for run in healthy_runs("held_out", len(HEALTHY), count=30)}
    assert len(HEALTHY) == len(tuning) == len(held_out)
    assert not tuning & held_out
    assert {"decelerating", "staircase"} == set(SHAPES["held_out"]) - set(SHAPES["tuning"])


@pytest.mark.parametrize("kind", FAILURES)
def test_failures_begin_at_their_onset(kind: str) -> None:
    """A failing run has its label, and lasts longer than the failure needs to be seen."""
    (run,) = failing_runs("tuning", 1, kind)
    assert kind in run.signals
    assert run.onset <= run.full
    assert run.full + 150 <= sum(event["event"] == "training" for event in run.events)
