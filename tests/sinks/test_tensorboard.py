"""The curves of the TensorBoard sink, read by TensorBoard: tags, values, attempts and faults."""

from __future__ import annotations

import math
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.backend.event_processing.plugin_event_accumulator import (
    EventAccumulator as WebAccumulator,
)

from logflume.runs.info import RunInfo
from logflume.sinks.tensorboard.sink import TensorBoardSink
from tests.event_helpers import finished_event

EVERYTHING = {"scalars": 0, "histograms": 0, "tensors": 0}


def make_event(event_type: str, /, **fields: Any) -> dict[str, Any]:
    return finished_event(event_type, **{"step": 1, **fields})


def write(folder: Path, *events: dict[str, Any], attempt: int = 0) -> None:
    with closing(TensorBoardSink(folder, run=RunInfo(run="r", attempt=attempt))) as sink:
        sink.write([{**event, "attempt": attempt} for event in events])


def read(folder: Path) -> Any:
    return EventAccumulator(str(folder), size_guidance=EVERYTHING).Reload()


def points(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in read(folder).Scalars(tag)]


def as_float32(value: float) -> float:
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


@pytest.mark.parametrize(
    ("event", "tag"),
    [
        (make_event("training", loss=2.0), "train/loss"),
        (make_event("training", **{"rewards/a/mean": 2.0}), "train/rewards/a/mean"),
        (make_event("evaluation", loss=2), "eval/loss"),
        (make_event("reward", **{"rewards/a/mean": 2.0}), "rewards/a/mean"),
        (make_event("reward", mode="train", **{"rewards/a/mean": 2.0}), "rewards/a/mean"),
        (make_event("reward", mode="eval", **{"rewards/a/mean": 2.0}), "eval/rewards/a/mean"),
        (make_event("generation", **{"quality/a/mean": 2.0}), "train/generation/quality/a/mean"),
        (make_event("my.own", größe=2.0), "my.own/größe"),
    ],
)
def test_tag(tmp_path: Path, event: dict[str, Any], tag: str) -> None:
    """A number is one scalar, with a tag derived from the event type and the field."""
    write(tmp_path, event)

    assert {tag: [(1, 2.0)]} == {found: points(tmp_path, found) for found in scalar_tags(tmp_path)}


def scalar_tags(folder: Path) -> list[str]:
    return list(read(folder).Tags()["scalars"])


@pytest.mark.parametrize(
    "event",
    [
        make_event("training", done=True, note="text", gone=None, some=[1.0]),
        make_event("model_output", advantage=1.0, model_output="text"),
        make_event("run_started", cpu_count=2),
        make_event("run_finished", duration_s=2.0),
        make_event("summary", train_loss=2.0),
        make_event("message", message="text", number=2.0),
        make_event("exception", number=2.0),
        make_event("pipeline", accepted=2),
        make_event("training", num_tokens=2.0, epoch=2.0, global_step=2, generation=2),
        make_event("reward", num_generations=2, **{"rewards/a/n": 2, "weights/a": 2.0}),
        make_event("generation", rows=2, **{"quality/n": 2}),
        make_event("system", network_sent_bytes=2, memory_total_bytes=2),
    ],
)
def test_no_scalars(tmp_path: Path, event: dict[str, Any]) -> None:
    """Reserved names, values other than numbers, reports and counters give no scalars."""
    write(tmp_path, event, make_event("training", loss=1.0))

    assert ["train/loss"] == scalar_tags(tmp_path)


def test_fields_that_come_and_go(tmp_path: Path) -> None:
    """A field that is null, a bool or too large in one event has its points from all others."""
    values = [1.0, None, 2, True, 1e300, 3.0]
    write(tmp_path, *(make_event("probe", step=i, a=v, b=0.5) for i, v in enumerate(values)))

    assert [(0, 1.0), (2, 2.0), (4, math.inf), (5, 3.0)] == points(tmp_path, "probe/a")
    assert [(i, 0.5) for i in range(6)] == points(tmp_path, "probe/b")


def test_one_record_per_event(tmp_path: Path) -> None:
    """An event is a single record with its timestamp, however many numbers it has."""
    write(tmp_path, make_event("training", **{f"metric_{i}": float(i) for i in range(300)}))

    (path,) = tmp_path.iterdir()
    *_, record = LegacyEventFileLoader(str(path)).Load()

    assert 300 == len(record.summary.value)
    assert 1795413600.123456 == record.wall_time


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(min_value=-(2**63), max_value=2**63 - 1),
            st.floats() | st.integers(min_value=-(2**63), max_value=2**63 - 1),
        ),
        min_size=1,
    )
)
def test_any_number(numbers: list[tuple[int, float]]) -> None:
    """Any number, including NaN and infinities, is read back as float32 at its step."""
    with tempfile.TemporaryDirectory() as folder:
        write(
            Path(folder), *(make_event("training", step=step, x=value) for step, value in numbers)
        )
        found = points(Path(folder), "train/x")

    steps = [(step, [v for _, v in some]) for step, some in groupby(numbers, itemgetter(0))]
    assert [step for step, _ in steps] == [step for step, _ in found]
    single = [(step, repr(as_float32(values[0]))) for step, values in steps if len(values) == 1]
    several = [index for index, (_, values) in enumerate(steps) if len(values) > 1]
    assert single == [(s, repr(v)) for i, (s, v) in enumerate(found) if i not in several]


def test_no_step(tmp_path: Path) -> None:
    """An event without a step is shown at the last step seen, or at 0."""
    steps = [None, 5, None, 6, None]
    write(tmp_path, *(make_event("system", step=step, cpu_percent=1.0) for step in steps))

    assert [0, 5, 5, 6, 6] == [step for step, _ in points(tmp_path, "system/cpu_percent")]


def test_system_by_second(tmp_path: Path) -> None:
    """Each `system` event is also a point at the second since the run began, in all attempts."""

    def seconds(*values: int, step: int) -> list[dict[str, Any]]:
        time = "2026-11-23T06:00:{:02}Z"
        return [
            make_event("system", timestamp=time.format(value), step=step, cpu_percent=float(value))
            for value in values
        ]

    began = make_event("run_started", timestamp="2026-11-23T06:00:00Z", step=None)
    write(tmp_path, began, *seconds(1, 3, 5, 7, step=9))
    continued = RunInfo(run="r", attempt=1)
    with closing(TensorBoardSink(tmp_path, run=continued)) as sink:
        sink.held(continued)
        sink.write([event | {"attempt": 1} for event in seconds(30, 31, step=9)])

    expected = [(second, second) for second in (1, 3, 5, 7, 30, 31)]
    assert expected == points(tmp_path, "system_by_second/cpu_percent")
    assert (9, 30.5) == points(tmp_path, "system/cpu_percent")[-1]


def test_readable_after_each_step(tmp_path: Path) -> None:
    """A step is readable once it is over, or after `flush`, by a reader that stays open."""
    reader = EventAccumulator(str(tmp_path), size_guidance=EVERYTHING)
    with closing(TensorBoardSink(tmp_path, run=RunInfo(run="r"))) as sink:
        for step in range(3):
            sink.write([make_event("training", step=step, loss=1.0)])
            reader.Reload()
            assert step == len(reader.Tags()["scalars"] and reader.Scalars("train/loss"))
            assert 1 == sink.unwritten
        sink.flush()
        reader.Reload()
        assert (3, 0) == (len(reader.Scalars("train/loss")), sink.unwritten)


def test_a_removed_file_is_created_again(tmp_path: Path) -> None:
    """After the folder was removed, later events are in a new file."""
    folder = tmp_path / "tensorboard"
    with closing(TensorBoardSink(folder, run=RunInfo(run="r"))) as sink:
        sink.write([make_event("training", step=step, loss=1.0) for step in (1, 2)])
        shutil.rmtree(folder)
        sink.write([make_event("training", step=3, loss=0.5)])

        assert [(2, 1.0)] == points(folder, "train/loss")


def test_no_events_create_no_file(tmp_path: Path) -> None:
    """A process without events to show creates no file, so readers don't abandon the run's file."""
    write(tmp_path / "run", make_event("message", message="text"))

    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("reader", [EventAccumulator, WebAccumulator])
def test_resume(tmp_path: Path, reader: type[Any]) -> None:
    """A run continues at its step, and both readers drop orphaned points after it."""
    write(tmp_path, *(make_event("training", step=step, loss=1.0) for step in range(1, 8)))
    resumed = [make_event("training", step=step, loss=2.0) for step in range(5, 9)]
    write(tmp_path, make_event("system", step=None, cpu_percent=1.0), *resumed, attempt=1)
    write(tmp_path, make_event("training", step=7, loss=3.0), attempt=2)

    found = reader(str(tmp_path), size_guidance=EVERYTHING).Reload()
    curve = found.Scalars if reader is EventAccumulator else found.Tensors

    assert [1, 2, 3, 4, 5, 6, 7] == [point.step for point in curve("train/loss")]


def test_resume_without_a_step_yet(tmp_path: Path) -> None:
    """Events that a continued run logs before its first step are not shown at step 0."""
    write(tmp_path, make_event("system", step=7, cpu_percent=1.0))
    before, after = (make_event("system", step=step, cpu_percent=2.0) for step in (None, 8))
    write(tmp_path, before, after, attempt=1)

    assert [(7, 1.0), (8, 2.0)] == points(tmp_path, "system/cpu_percent")


def test_files_are_read_in_order_of_writing(tmp_path: Path) -> None:
    """A file sorts after an existing one with a later time, from a clock that was ahead."""
    tmp_path.joinpath("events.out.tfevents.4000000000.host.1").touch()
    write(tmp_path, make_event("training", loss=1.0))

    assert [(1, 1.0)] == points(tmp_path, "train/loss")
    assert "events.out.tfevents.4000000001." == max(tmp_path.iterdir()).name[:31]


@contextmanager
def full_disk(room_bytes: int) -> Iterator[None]:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room_bytes", [0, 1, 2000])
def test_failed_write_leaves_nothing(tmp_path: Path, room_bytes: int) -> None:
    """If a batch doesn't fit on the disk, the file is unchanged and the batch can be retried."""
    first, second = ([make_event("training", step=step, loss=float(step))] for step in (1, 2))
    batch = [make_event("model_output", step=2, model_output="x" * 5000), *second]
    with closing(TensorBoardSink(tmp_path, run=RunInfo(run="r"))) as sink:
        sink.write(first)
        sink.flush()
        (path,) = tmp_path.iterdir()
        size_bytes = path.stat().st_size
        with full_disk(size_bytes + room_bytes), pytest.raises(OSError, match="too large"):
            sink.write([*batch, make_event("training", step=3, loss=3.0)])
        assert size_bytes == path.stat().st_size
        sink.write(batch)

    assert [(1, 1.0), (2, 2.0)] == points(tmp_path, "train/loss")
    assert ["model_output/0"] == [tag for tag in read(tmp_path).Tags()["tensors"] if "/" in tag]


SCRIPT = """
import os, signal, sys
from pathlib import Path
from logflume.run import RunInfo
from logflume.sinks.tensorboard import TensorBoardSink

sink = TensorBoardSink(Path(sys.argv[1]), run=RunInfo(run="r"))
for step in range(200):
    event = {"timestamp": "2026-11-23T06:00:00Z", "event": "training", "step": step, "loss": 1.0}
    sink.write([event])
print({"torch", "tensorflow", "numpy"} & set(sys.modules), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_kill(tmp_path: Path) -> None:
    """A killed process loses no step that was over, and doesn't import heavy packages."""
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)

    assert (-signal.SIGKILL, "set()\n") == (ended.returncode, ended.stdout)
    assert list(range(199)) == [step for step, _ in points(tmp_path, "train/loss")]
