"""Faults of the pipeline, read from a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import logflume
from logflume.query.faults import read_faults
from logflume.query.open_run import open_run
from tests.cli.commands import check_output
from tests.query.training_run import CONFIG, start, write_run


class FullDisk:
    """A sink that writes one batch."""

    def __init__(self) -> None:
        self._is_full = False

    def write(self, events: Sequence[dict[str, Any]]) -> None:
        """Write the first batch."""
        if self._is_full:
            raise OSError(28, "No space left on device")
        self._is_full = True

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def test_faults_of_a_run(tmp_path: Path) -> None:
    """Failed sinks, misfits and drops are read back, and `show` names each once."""
    root = {**CONFIG["root"], "sinks": [*CONFIG["root"]["sinks"], "disk"]}
    sinks = {**CONFIG["sinks"], "disk": FullDisk()}
    config = {**CONFIG, "worker": "thread", "root": root, "sinks": sinks}
    run = logflume.initialize(config, dir=tmp_path / "logs", run="r")
    log = logflume.get_logger()
    for step, value in enumerate((1.0, 2.0, "a text", "another"), start=1):
        logflume.set_step(step)
        log.info("training", loss=value)
        logflume.flush()
    log.info("pipeline", status="report", **{"dropped": 3, "sinks/disk/dropped": 2000})
    logflume.shutdown()
    messages = [fault["message"] for fault in read_faults(open_run(run.folder))]
    disk, misfit, dropped = messages
    assert disk.startswith("disk failed: OSError: [Errno 28] No space left on device")
    assert "training.loss" in misfit
    assert dropped == "Events dropped: buffer 3, disk 2,000."
    shown = check_output(tmp_path, "show")
    assert [1, 1, 1] == [" ".join(shown.split()).count(message) for message in messages]
    assert "step 3: training.loss: expected" in shown


def test_a_run_without_faults(tmp_path: Path) -> None:
    """A run whose pipeline has reported nothing but its counts has no faults."""
    folder = write_run(tmp_path / "logs", range(1, 4))
    assert [] == read_faults(open_run(folder))
    assert "Fault" not in check_output(tmp_path, "show")


def test_a_run_that_was_killed_at_once(tmp_path: Path) -> None:
    """A run without any report of the pipeline has no faults."""
    info = start(tmp_path / "logs")
    logflume.flush()
    assert [] == read_faults(open_run(info.folder))
    logflume.shutdown()
