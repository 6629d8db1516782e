"""Importing event files written by torch's SummaryWriter, by transformers and by our own sink."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

import logflume
from logflume.exceptions import RunError
from tests.importing.importer import fields, imported, of_type
from tests.training.tiny_trainers import make_trainer


@contextmanager
def writer(folder: Path, **options: Any) -> Iterator[Any]:
    """Open torch's writer on a folder."""
    opened = SummaryWriter(str(folder), **options)
    yield opened
    opened.close()


def scalars(folder: Path) -> set[tuple[str, int, float]]:
    """Return the tag, step and value of each scalar, read by TensorBoard's own reader."""
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    accumulator.Reload()
    tags = accumulator.Tags()["scalars"]
    return {(tag, e.step, e.value) for tag in tags for e in accumulator.Scalars(tag)}


def points(events: list[dict[str, Any]]) -> set[tuple[str, int, float]]:
    """Return the tag, step and value of imported numbers, with the tags of transformers."""
    prefixes = {"training": "train/", "evaluation": "eval/", "summary": "train/"}
    return {
        (
            "train/epoch" if name == "epoch" else prefixes[event["event"]] + name,
            event["step"],
            value,
        )
        for event in events
        if event["event"] in prefixes
        for name, value in fields(event).items()
    }


def test_points_of_a_step_are_one_event(tmp_path: Path) -> None:
    """`train/…` is `training`, `eval/…` is `evaluation`, anything else keeps its name."""
    with writer(tmp_path / "tb") as tb:
        for step in (1, 2):
            tb.add_scalar("train/loss", 0.5 / step, step, walltime=1.7e9 + step)
            tb.add_scalar("train/rewards/a/mean", 0.25, step, walltime=1.7e9 + step)
            tb.add_scalar("eval/loss", 2.0, step, walltime=1.7e9 + step)
            tb.add_scalar("speed/tokens", 7.0, step, walltime=1.7e9 + step)
    _, events = imported(tmp_path / "tb", tmp_path / "logs")
    training = of_type(events, "training")

    assert [1, 2] == [event["step"] for event in training]
    assert {"loss": 0.5, "rewards/a/mean": 0.25, "speed/tokens": 7.0} == fields(training[0])
    assert ["eval", "eval"] == [event["mode"] for event in of_type(events, "evaluation")]
    assert "2023-11-14T22:13:21.000000Z" == training[0]["timestamp"]
    assert 2 == events[-1]["step"]


def test_curves_one_after_another(tmp_path: Path) -> None:
    """Points are grouped by step even if a file contains one complete curve after another."""
    with writer(tmp_path / "tb") as tb:
        for tag in ("train/loss", "train/kl", "train/reward"):
            for step in range(200):
                tb.add_scalar(tag, step / 7, step)
    _, events = imported(tmp_path / "tb", tmp_path / "logs")

    assert list(range(200)) == [event["step"] for event in of_type(events, "training")]
    assert {3} == {len(fields(event)) for event in of_type(events, "training")}
    assert scalars(tmp_path / "tb") == points(events)


def test_nonfinite_and_repeated_numbers(tmp_path: Path) -> None:
    """NaN, infinities and -0 are imported; a second point of a tag at a step is a second event."""
    values = [math.nan, math.inf, -math.inf, -0.0, 1.0, 1.0, 1e-45]
    with writer(tmp_path / "tb") as tb:
        for value in values:
            tb.add_scalar("loss", value, 5)
    _, events = imported(tmp_path / "tb", tmp_path / "logs")
    found = [event["loss"] for event in of_type(events, "training")]

    assert [str(float(np.float32(value))) for value in values] == [str(value) for value in found]


def test_a_restart_replaces_later_points(tmp_path: Path) -> None:
    """`SessionLog.START` purges points as in TensorBoard, and the purged points are counted."""
    with writer(tmp_path / "tb") as tb:
        for step in range(10):
            tb.add_scalar("train/loss", 1.0, step)
    with writer(tmp_path / "tb", purge_step=6, filename_suffix=".2") as tb:
        for step in range(6, 8):
            tb.add_scalar("train/loss", 2.0, step)
    result, events = imported(tmp_path / "tb", tmp_path / "logs")

    assert [1.0] * 6 + [2.0] * 2 == [event["loss"] for event in of_type(events, "training")]
    assert {"points replaced by a restart": 4} == result.left_out
    assert scalars(tmp_path / "tb") == points(events)


def test_texts_and_what_is_left_out(tmp_path: Path) -> None:
    """A text is a `message` with its tag; histograms, images and graphs are counted."""
    with writer(tmp_path / "tb") as tb:
        tb.add_text("sample", "some *text* \x1b[31m", 3)
        tb.add_histogram("weights", np.arange(9), 3)
        tb.add_image("picture", np.zeros((3, 2, 2), np.uint8), 3)
        tb.add_pr_curve("curve", np.ones(4), np.ones(4), 3)
    result, events = imported(tmp_path / "tb", tmp_path / "logs")
    (message,) = of_type(events, "message")

    assert ("some *text* \x1b[31m", "sample", 3) == (
        message["message"],
        message["tag"],
        message["step"],
    )
    assert {
        "TensorBoard histograms": 1,
        "TensorBoard images": 1,
        "TensorBoard pr_curves": 1,
    } == result.left_out


def test_several_folders(tmp_path: Path) -> None:
    """With several folders, fields are prefixed with their names, except for `train` and `eval`."""
    for folder in ("a/run", "b", "train", "eval"):
        with writer(tmp_path / "tb" / folder) as tb:
            tb.add_scalar("train/loss" if "/" in folder else "loss", 1.0, 1)
    _, events = imported(tmp_path / "tb", tmp_path / "logs")

    assert {"a/run/loss", "b/loss", "loss"} == set(fields(of_type(events, "training")[0]))
    assert {"loss"} == set(fields(of_type(events, "evaluation")[0]))


def test_hyperparameters(tmp_path: Path) -> None:
    """Hyperparameters that `add_hparams` writes to a separate folder become `run_started`."""
    with writer(tmp_path / "runs" / "x") as tb:
        tb.add_scalar("train/loss", 1.0, 1)
        tb.add_hparams({"lr": 0.5, "name": "a", "on": True}, {})
    _, events = imported(tmp_path / "runs", tmp_path / "logs")
    started = of_type(events, "run_started")[1]

    assert {"lr": 0.5, "name": "a", "on": True} == {
        name.removeprefix("hyperparameters/"): value for name, value in fields(started).items()
    }
    assert [{"loss": 1.0}] == [fields(event) for event in of_type(events, "training")]


def test_event_files_of_transformers(tmp_path: Path) -> None:
    """The event files of a real GRPO training give the same numbers as its `trainer_state.json`."""
    trainer = make_trainer(
        tmp_path / "out", report_to=["tensorboard"], eval_strategy="steps", eval_steps=2
    )
    trainer.train()
    trainer.save_state()
    _, events = imported(tmp_path / "out" / "runs", tmp_path / "logs", run="tb")
    _, exact = imported(tmp_path / "out", tmp_path / "logs", run="json")

    def as_float32(of: list[dict[str, Any]], event_type: str) -> list[tuple[int, dict[str, Any]]]:
        return [
            (e["step"], {k: np.float32(v) for k, v in fields(e).items() if k != "global_step"})
            for e in of_type(of, event_type)
        ]

    for event_type in ("training", "evaluation", "summary"):
        assert as_float32(exact, event_type) == as_float32(events, event_type)
    started = of_type(events, "run_started")[1]
    assert 4 == json.loads(started["arguments"])["max_steps"]
    assert 0.001 == started["hyperparameters/learning_rate"]
    (folder,) = (tmp_path / "out" / "runs").iterdir()
    assert scalars(folder) == points(events)


def test_our_own_event_files(tmp_path: Path) -> None:
    """Event files of our own sink are imported as the original events, without counters."""
    sinks = {"jsonl": {"path": "{dir}/{run}/e.jsonl"}, "tensorboard": {"path": "{dir}/{run}/tb"}}
    logflume.initialize(
        {"root": {"sinks": list(sinks)}, "sinks": sinks, "processors": ["flatten_rewards"]},
        dir=tmp_path,
        run="ours",
    )
    logflume.log_training_progress(1, {"loss": 0.5, "rewards/a/mean": 0.25})
    logflume.log_reward_metrics(1, {"a": [1.0, 0.0]})
    logflume.get_logger().info("generation", step=1, **{"quality/words/mean": 7.0})
    logflume.get_system_logger().info("system", step=1, cpu_percent=12.5, memory_used_bytes=1 << 33)
    logflume.shutdown()
    _, events = imported(tmp_path / "ours" / "tb", tmp_path / "logs", run="r")

    assert {"loss": 0.5, "rewards/a/mean": 0.25} == fields(of_type(events, "training")[0])
    reward = of_type(events, "reward")[0]
    assert (0.5, 1.0) == (reward["rewards/a/mean"], reward["rewards/total/max"])
    assert {"quality/words/mean": 7.0} == fields(of_type(events, "generation")[0])
    (system,) = of_type(events, "system")
    assert (12.5, 1 << 33) == (system["cpu_percent"], system["memory_used_bytes"])


def test_a_torn_end(tmp_path: Path) -> None:
    """A torn record at the end is left out and counted; everything before it is imported."""
    with writer(tmp_path / "tb") as tb:
        for step in range(3):
            tb.add_scalar("train/loss", 1.0, step)
    (file,) = (tmp_path / "tb").iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    result, events = imported(file, tmp_path / "logs")

    assert [0, 1] == [event["step"] for event in of_type(events, "training")]
    (reason,) = result.left_out
    assert "bytes after the last complete record of an event file" == reason


def test_no_event_files(tmp_path: Path) -> None:
    """A folder without event files is an error, and so is a file with only the name of one."""
    with pytest.raises(RunError, match=r"no event files \(\*tfevents\*\) in this folder"):
        imported(tmp_path, tmp_path / "logs", format="tensorboard")
    (tmp_path / "events.out.tfevents.1").write_bytes(b"nothing of the kind")
    with pytest.raises(RunError, match="nothing to import"):
        imported(tmp_path / "events.out.tfevents.1", tmp_path / "logs", run="r")
