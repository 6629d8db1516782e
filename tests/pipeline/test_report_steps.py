"""The step of a report is that of the event that caused it, however late the worker gets there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.protocols import Event
from logflume.query.faults import read_faults
from logflume.query.open_run import open_run

CAUSE, LAST = 10, 24


class Fragile:
    """A sink that fails at the step `CAUSE`."""

    def write(self, events: Sequence[Event]) -> None:
        """Raise if the step is the first one of the batch."""
        if events[0]["step"] == CAUSE:
            raise ValueError("no such column")

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def fail_at_cause(_logger: Any, _method: str, event_dict: dict[str, Any]) -> dict[str, Any]:
    """Fail at the step `CAUSE`."""
    assert event_dict.get("step") != CAUSE
    return event_dict


CAUSES: dict[str, tuple[str, dict[str, Any]]] = {
    "reward": ("reward", {"a": [1.0, 2.0], "b": [1.0]}),
    "nan": ("reward", {"a": [1.0, math.nan]}),
    "misfit": ("training", {"loss": "high"}),
    "mode": ("training", {"mode": "evel"}),
    "type": ("rewards", {"a": [1.0]}),
    "text": ("model_output", {"prompt": "a"}),
    "message": ("", {"loss": 0.5}),
    "metric": ("val/loss", {"value": 0.5}),
}


def log_ahead(cause: tuple[str, dict[str, Any]]) -> None:
    """Log events up to the last step before the run begins, so that the worker is far behind."""
    log = logflume.get_logger()
    for step in range(1, LAST + 1):
        logflume.set_step(step)
        log.info("probe", number=step)
        if step == CAUSE:
            log.info(cause[0], **cause[1])


@pytest.mark.parametrize("worker", ["process", "thread"])
@pytest.mark.parametrize("cause", CAUSES.values(), ids=CAUSES)
def test_values(cause: tuple[str, dict[str, Any]], worker: str, tmp_path: Path) -> None:
    """Reports about values have the step of their event."""
    log_ahead(cause)
    run = logflume.initialize(
        {
            "worker": worker,
            "processors": ["tag_step", "flatten_rewards"],
            "root": {"sinks": ["jsonl"]},
            "sinks": {"jsonl": {"path": "{dir}/{run}/events.jsonl"}},
        },
        dir=tmp_path,
    )
    logflume.shutdown()

    assert [CAUSE] == [fault["step"] for fault in read_faults(open_run(run.folder))]


def test_a_processor(tmp_path: Path) -> None:
    """The report of a processor that raises has the step of the event that it was given."""
    log_ahead(("probe", {"number": 0}))
    run = logflume.initialize(
        {
            "processors": ["tag_step", "tests.pipeline.test_report_steps:fail_at_cause"],
            "root": {"sinks": ["jsonl"]},
            "sinks": {"jsonl": {"path": "{dir}/{run}/events.jsonl"}},
        },
        dir=tmp_path,
    )
    logflume.shutdown()

    assert [CAUSE] == [fault["step"] for fault in read_faults(open_run(run.folder))]


def test_a_sink(tmp_path: Path) -> None:
    """The report of a sink that raises has the step of the first event that it was given."""
    sinks = {"jsonl": {"path": "{dir}/{run}/events.jsonl"}, "fragile": Fragile()}
    run = logflume.initialize(
        {"processors": ["tag_step"], "root": {"sinks": list(sinks)}, "sinks": sinks}, dir=tmp_path
    )
    log = logflume.get_logger()
    logflume.set_step(1)
    log.info("probe", number=1)
    logflume.flush()
    for step in (CAUSE, LAST):
        log.info("probe", step=step)
    logflume.set_step(LAST)
    logflume.shutdown()

    assert [CAUSE] == [fault["step"] for fault in read_faults(open_run(run.folder))]
