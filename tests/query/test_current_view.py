"""Continued runs: the latest attempt of each step by default, everything on request."""

from __future__ import annotations

from pathlib import Path

import pytest

import logflume
from logflume.runs.info import RunInfo


def log_attempt(folder: Path, steps: range, loss: float) -> RunInfo:
    """Log an attempt of the run `r`, with one loss for all of its steps."""
    run = logflume.initialize(
        {
            "root": {"level": "INFO", "sinks": ["jsonl"]},
            "sinks": {"jsonl": {"path": "{dir}/{run}/events.jsonl"}},
        },
        dir=folder,
        run="r",
    )
    log = logflume.get_logger()
    for step in steps:
        log.info("training", step=step, mode="train", loss=loss)
    log.info("evaluation", step=steps[0], mode="eval", loss=loss)
    log.info("a note without a step")
    logflume.shutdown()
    return run


def test_the_latest_attempt_of_each_step(tmp_path: Path) -> None:
    """A step logged by several attempts is read from the latest; everything else is kept."""
    log_attempt(tmp_path, range(1, 7), loss=1.0)
    run = log_attempt(tmp_path, range(4, 6), loss=2.0)
    opened = logflume.open_run(run.folder)
    training = opened.events("training").to_pydict()
    losses = dict(zip(training["step"], training["loss"], strict=True))
    assert {1: 1.0, 2: 1.0, 3: 1.0, 4: 2.0, 5: 2.0, 6: 1.0} == losses
    assert 6 == len(training["step"])
    assert [(1, 0), (4, 1)] == [
        (event["step"], event["attempt"]) for event in opened if event["event"] == "evaluation"
    ]
    assert {"message": 2, "run_started": 2, "run_finished": 2}.items() <= opened.types().items()


def test_all_attempts(tmp_path: Path) -> None:
    """With `attempts="all"` nothing is omitted."""
    log_attempt(tmp_path, range(1, 7), loss=1.0)
    run = log_attempt(tmp_path, range(4, 6), loss=2.0)
    opened = logflume.open_run(run.folder, attempts="all")
    steps = [(e["step"], e["attempt"]) for e in opened if e["event"] == "training"]
    assert [*((step, 0) for step in range(1, 7)), (4, 1), (5, 1)] == steps


def test_a_run_without_state(tmp_path: Path) -> None:
    """Without `run.json` the result is the same: the attempts are in the journal."""
    log_attempt(tmp_path, range(1, 3), loss=1.0)
    run = log_attempt(tmp_path, range(2, 3), loss=2.0)
    (run.folder / "run.json").unlink()
    assert [1.0, 2.0] == logflume.open_run(run.folder).events("training")["loss"].to_pylist()


def test_an_invalid_view_is_rejected(tmp_path: Path) -> None:
    """An invalid value of `attempts` is an error that names the valid ones."""
    run = log_attempt(tmp_path, range(1, 2), loss=1.0)
    with pytest.raises(ValueError, match="'current' or 'all', not 'latest'"):
        logflume.open_run(run.folder, attempts="latest")  # type: ignore[arg-type]
