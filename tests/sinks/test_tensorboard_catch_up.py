"""TensorBoard's curves after a killed run is continued: complete and without zigzags."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

import logflume
from tests.fake_sinks import wait_until
from tests.scripts import Script

CONFIG: dict[str, Any] = {
    "root": {"level": "INFO", "sinks": ["jsonl", "tensorboard"]},
    "processors": ["tag_step"],
    "sinks": {
        "jsonl": {"path": "{dir}/{run}/events.jsonl"},
        "tensorboard": {"path": "{dir}/{run}/tensorboard"},
    },
}

KILLED = f"""
from logflume.sinks.tensorboard import TensorBoardSink
config = {CONFIG!r}
write = TensorBoardSink.write

def write_while_there_is_room(self, events):
    if events[-1]["seq"] > SHOWN:
        raise OSError(28, "No space left on device")
    write(self, events)

TensorBoardSink.write = write_while_there_is_room
start()
for step in range(FIRST, FIRST + 100):
    log.info("training", step=step, loss=1.0)
    log.info("system", cpu_percent=2.0)
    if step == FIRST + 10:
        logflume.flush()
wait()
"""


def kill_run(folder: Path, first: int, shown: int) -> None:
    """Kill a run of 100 steps that are all in the journal, but only partly in TensorBoard."""
    script = Script(folder, KILLED.replace("FIRST", str(first)).replace("SHOWN", str(shown)))
    journal = script.folder / "events.jsonl"

    def is_written() -> bool:
        return journal.exists() and f'"step":{first + 99}'.encode() in journal.read_bytes()

    assert wait_until(is_written)
    script.process.send_signal(signal.SIGKILL)
    script.end()


def curve(folder: Path, tag: str) -> list[tuple[int, float]]:
    path = str(folder / "r" / "tensorboard")
    reader = EventAccumulator(path, size_guidance={"tensors": 0}).Reload()
    return [(e.step, e.tensor_proto.float_val[0]) for e in reader.Tensors(tag)]


@pytest.mark.parametrize("shown", [0, 30])
def test_a_killed_run_is_shown_completely(shown: int, tmp_path: Path) -> None:
    """Missing points are added once and at their steps when a killed run is continued."""
    kill_run(tmp_path, 0, shown)
    logflume.initialize(CONFIG, dir=tmp_path, run="r")
    assert logflume.shutdown()

    assert [(step, 1.0) for step in range(100)] == curve(tmp_path, "train/loss")
    # An event without a step is shown at the previous step, whichever process wrote that.
    assert [(step, 2.0) for step in range(100)] == curve(tmp_path, "system/cpu_percent")


@pytest.mark.parametrize("shown", [0, 30])
def test_steps_logged_again(shown: int, tmp_path: Path) -> None:
    """The points added for an attempt end where the next attempt continues."""
    kill_run(tmp_path, 0, shown)
    kill_run(tmp_path, 80, shown)
    logflume.initialize(CONFIG, dir=tmp_path, run="r")
    for step in (150, 151):
        logflume.get_logger().info("training", step=step, loss=3.0)
    assert logflume.shutdown()

    expected = [*((step, 1.0) for step in range(150)), (150, 3.0), (151, 3.0)]
    assert expected == curve(tmp_path, "train/loss")


def test_runs_that_share_a_folder(tmp_path: Path) -> None:
    """The events of another run in the same folder are not mistaken for this run's."""
    shared = {**CONFIG["sinks"], "tensorboard": {"path": "{dir}/r/tensorboard"}}
    kill_run(tmp_path, 0, 0)
    for run in ("other", "r"):
        logflume.initialize({**CONFIG, "sinks": shared}, dir=tmp_path, run=run)
        if run == "other":
            logflume.get_logger().info("training", step=0, other=1.0)
        assert logflume.shutdown()

    assert [(step, 1.0) for step in range(100)] == curve(tmp_path, "train/loss")


def test_a_garbage_record(tmp_path: Path) -> None:
    """A record with a garbage length is skipped without allocating that much memory."""
    kill_run(tmp_path, 0, 30)
    (path,) = (tmp_path / "r" / "tensorboard").glob("events*")
    with path.open("ab") as file:
        file.write(b"\xff" * 64)
    logflume.initialize(CONFIG, dir=tmp_path, run="r")
    assert logflume.flush()
    report = logflume.report()
    assert logflume.shutdown()
    assert report is not None
    assert 0 == report.sinks["tensorboard"]["failed"]
    assert [(step, 1.0) for step in range(100)] == curve(tmp_path, "train/loss")
