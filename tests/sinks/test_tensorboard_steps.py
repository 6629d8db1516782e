"""TensorBoard's curves have one point for a step, also where a run was killed within it."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import logflume
from logflume.runs.info import RunInfo
from logflume.sinks.tensorboard.sink import TensorBoardSink
from tests.query.training_run import CONFIG
from tests.sinks.test_tensorboard import make_event, points, read, write

RUN = RunInfo(run="r")

TENSORBOARD = {
    "processors": CONFIG["processors"],
    "root": {"sinks": ["jsonl", "tensorboard"]},
    "sinks": {
        "jsonl": CONFIG["sinks"]["jsonl"],
        "tensorboard": {"path": "{dir}/{run}/tensorboard"},
    },
}


def test_several_events_of_a_step(tmp_path: Path) -> None:
    """Curves and `metrics` agree on the values of a step, whatever the number of its events."""
    run = logflume.initialize(TENSORBOARD, dir=tmp_path, run="r")
    for step in (1, 2):
        for mode in ("train", "eval"):
            logflume.set_step(step, mode)
            for rewards in ([0.0, 0.0, 1.0, 4.0], [1.0, 1.0], [float(step), 5.0]):
                logflume.get_reward_logger().info("reward", f=rewards, num_generations=2)
            for tokens in (10, 20):
                name = "training" if mode == "train" else "evaluation"
                logflume.get_logger().info(name, loss=1 / tokens, num_tokens=tokens)
    assert logflume.shutdown()
    rows = logflume.open_run(run.folder).metrics(wide=True).to_pylist()
    folder = run.folder / "tensorboard"
    statistics = [f"rewards/f/{n}" for n in ("mean", "std", "min", "max", "frac_zero_std")]
    for mode, prefix, group in (("train", "", "train/"), ("eval", "eval/", "eval/")):
        of_mode = [row for row in rows if row["mode"] == mode]
        tags = {name: prefix + name for name in statistics}
        tags["loss"] = f"{group}loss"
        for name, tag in tags.items():
            expected: Any = [(row["step"], pytest.approx(row[name])) for row in of_mode]
            assert expected == points(folder, tag), tag
        (first, second) = read(folder).Histograms(f"{prefix}rewards/f")
        assert (8, 8) == (first.histogram_value.num, second.histogram_value.num)


@pytest.mark.parametrize(
    ("event_type", "tags"),
    [
        ("training", {"train/x", "eval/x"}),
        ("generation", {"train/generation/x", "eval/generation/x"}),
        ("mine", {"mine/x", "eval/mine/x"}),
    ],
)
def test_modes_have_curves_of_their_own(tmp_path: Path, event_type: str, tags: set[str]) -> None:
    """Evaluation and training never share a point, whatever the event type."""
    write(tmp_path, *(make_event(event_type, mode=mode, x=1.0) for mode in ("train", "eval")))
    assert tags == set(read(tmp_path).Tags()["scalars"])


def test_a_flush_within_a_step(tmp_path: Path) -> None:
    """After a flush, the step's next point covers all of its events."""
    with closing(TensorBoardSink(tmp_path, run=RUN)) as sink:
        sink.write([make_event("training", loss=1.0)])
        sink.flush()
        sink.flush()
        sink.write([make_event("training", loss=3.0)])
    assert [(1, 1.0), (1, 2.0)] == points(tmp_path, "train/loss")


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["training", "evaluation", "reward", "model_output", "system"]),
        st.sampled_from([None, 0, 0, 1]),  # how many steps later
        st.integers(0, 100),
    ),
    max_size=15,
)


def make_events(drawn: list[tuple[str, int | None, int]]) -> list[dict[str, Any]]:
    step, events = 1, []
    for seq, (event_type, later, number) in enumerate(drawn):
        step += later or 0
        events.append(
            make_event(
                event_type,
                seq=seq,
                step=None if later is None else step,
                x=float(number),
                model_output=f"text {number}",
                **({"rewards/f": [float(number)]} if event_type == "reward" else {}),
            )
        )
    return events


def shown(folder: Path) -> dict[str, Any]:
    found = read(folder) if any(folder.glob("events*")) else None
    if found is None:
        return {}
    tags = found.Tags()
    curves = {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in tags["scalars"]}
    histograms = {tag: list(map(str, found.Histograms(tag))) for tag in tags["histograms"]}
    texts = {
        tag: [(e.step, e.tensor_proto.string_val[:]) for e in found.Tensors(tag)]
        for tag in tags["tensors"]
        if "/" in tag
    }
    return {**curves, **histograms, **texts}


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.integers(0, 15), st.integers(0, 15), st.floats(0, 1))
@example([("model_output", None, 0)] * 2, 1, 0, 1.0)
@example([("model_output", None, 0)] * 6, 3, 0, 1.0)
def test_a_kill_anywhere(drawn: Any, killed: int, batch: int, torn: float) -> None:
    """After a kill at any byte of a write, every point is there once, with the same value."""
    events = make_events(drawn)
    with tempfile.TemporaryDirectory() as name:
        whole, folder, live = (Path(name) / part for part in ("whole", "killed", "live"))
        write(whole, *events)
        live.mkdir()
        with closing(TensorBoardSink(live, run=RUN)) as sink:
            sink.write(events[: min(killed, batch)])
            before = {path.name: path.stat().st_size for path in live.glob("events*")}
            sink.write(events[min(killed, batch) : killed])
            shutil.copytree(live, folder)
        for path in folder.glob("events*"):
            start = before.get(path.name, 0)
            size = start + int(torn * (path.stat().st_size - start))
            with path.open("r+b") as file:
                file.truncate(size)
        with closing(TensorBoardSink(folder, run=RUN)) as continued:
            held = continued.held(RUN)
            continued.write([e for e in events if (0, e["seq"]) not in held])
        assert shown(whole) == shown(folder)


@pytest.mark.parametrize("flush_after", [0, 1, 2])
def test_rewards_of_an_evaluation_and_its_report(tmp_path: Path, flush_after: int) -> None:
    """Curves that both have show the numbers of the report, once."""
    run = logflume.initialize(TENSORBOARD, dir=tmp_path, run="r")
    for step in (1, 2):
        logflume.set_step(step, "eval")
        for rewards in ([0.0, 1.0], [1.0, 5.0]):
            logflume.get_reward_logger().info("reward", f=rewards)
        report = {"rewards/f/mean": 1.75, "rewards/f/std": 0.5, "loss": 2.0}
        logflume.get_logger().info("evaluation", **report)
        if step <= flush_after:
            assert logflume.flush()
    assert logflume.shutdown()
    folder = run.folder / "tensorboard"
    for name, value in report.items():
        assert [(1, value), (2, value)] == points(folder, f"eval/{name}"), name
    assert [(1, 5.0), (2, 5.0)] == points(folder, "eval/rewards/f/max")
    assert [4, 4] == [h.histogram_value.num for h in read(folder).Histograms("eval/rewards/f")]
