"""Histograms, texts, hyperparameters and charts of the TensorBoard sink."""

from __future__ import annotations

import html
import math
import re
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard.plugins.hparams import metadata as hparams

from logflume.runs.info import RunInfo
from logflume.sinks.tensorboard.sink import TensorBoardSink


def write(folder: Path, *events: dict[str, Any], **options: int) -> Any:
    """Write the events and return a TensorBoard reader with them."""
    reserved = {"timestamp": "2026-11-23T06:00:00Z", "step": 1}
    with closing(TensorBoardSink(folder, run=RunInfo(run="my-run"), **options)) as sink:
        sink.write([reserved | event for event in events])
    sizes = {"scalars": 0, "histograms": 0, "tensors": 0}
    return EventAccumulator(str(folder), size_guidance=sizes).Reload()


def shown(reader: Any, tag: str) -> list[str]:
    return [event.tensor_proto.string_val[0].decode() for event in reader.Tensors(tag)]


def output(**fields: Any) -> dict[str, Any]:
    return {"event": "model_output", "model_output": "four"} | fields


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")  # in the reader
@settings(deadline=None)
@given(st.lists(st.none() | st.floats(), max_size=50))
def test_histogram(values: list[float | None]) -> None:
    """Finite values are counted in the right bucket; null, NaN and infinities are ignored."""
    with tempfile.TemporaryDirectory() as folder:
        reader = write(Path(folder), {"event": "reward", "rewards/a": values, "rewards/b": [1.0]})
    finite = [value for value in values if value is not None and math.isfinite(value)]
    expected_tags = ["rewards/a", "rewards/b"] if finite else ["rewards/b"]

    assert expected_tags == reader.Tags()["histograms"]
    if finite:
        (histogram,) = (event.histogram_value for event in reader.Histograms("rewards/a"))
        assert (min(finite), max(finite)) == (histogram.min, histogram.max)
        for index, limit in enumerate(histogram.bucket_limit, start=1):
            assert sum(value <= limit for value in finite) == sum(histogram.bucket[:index])


def test_histogram_of_evaluation(tmp_path: Path) -> None:
    """Rewards of evaluation and training at the same step have separate tags."""
    rewards = {"event": "reward", "rewards/a": [0.0, 2.0]}
    reader = write(tmp_path, rewards, rewards | {"mode": "eval"}, {"event": "my", "rewards/a": [1]})

    assert ["rewards/a", "eval/rewards/a"] == reader.Tags()["histograms"]


def test_texts_per_step(tmp_path: Path) -> None:
    """Only the first texts of each step and mode are shown."""
    steps = [(1, "train")] * 3 + [(1, "eval")] * 3 + [(2, "train")] * 3
    events = [output(step=step, mode=mode, answer=str(i)) for i, (step, mode) in enumerate(steps)]
    reader = write(tmp_path, *events, texts_per_step=2)

    tags = [tag for tag in reader.Tags()["tensors"] if "model_output" in tag]
    assert {
        "model_output/0": [1, 2],
        "model_output/1": [1, 2],
        "eval/model_output/0": [1],
        "eval/model_output/1": [1],
    } == {tag: [event.step for event in reader.Tensors(tag)] for tag in tags}


def test_text(tmp_path: Path) -> None:
    """A completion is shown with its question, answers and scores, with aligned numbers."""
    scores = {"rewards/correctness": 2.0, "rewards/total": 2.5, "advantage": -0.70710678}
    event = output(
        question="2+2?", true_answer="4", answer="4\x1b[0m", **scores, **{"rewards/b": 0.5}
    )

    assert [
        "**Question**\n\n```\n2+2?\n```\n\n"
        "**True answer**\n\n```\n4\n```\n\n"
        "**Completion**\n\n```\nfour\n```\n\n"
        "**Answer**\n\n```\n4\\x1b[0m\n```\n\n"
        "**Scores**\n\n```\n"
        "rewards/correctness  2\n"
        "rewards/b            0.5\n"
        "rewards/total        2.5\n"
        "advantage            -0.707107\n```"
    ] == shown(write(tmp_path, event), "model_output/0")


LINES = st.sampled_from(["```", "````", "~~~", "```python", "", "    ", "<pre>", "# a", "&lt;"])


@settings(deadline=None)
@given(st.lists(LINES | st.text(max_size=20)).map("\n".join))
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_any_text_stays_in_its_block(completion: str) -> None:
    """Any completion is shown literally, with control characters as escapes."""
    from tensorboard.plugin_util import markdown_to_safe_html  # warns on import

    with tempfile.TemporaryDirectory() as folder:
        (markdown,) = shown(write(Path(folder), output(model_output=completion)), "model_output/0")
    page = markdown_to_safe_html(markdown)

    match = re.fullmatch(
        r"<p><strong>Completion</strong></p>\n<pre><code>(.*)\n</code></pre>", page, re.DOTALL
    )
    assert match
    assert visible(completion) == html.unescape(match[1])


def visible(text: str) -> str:
    """Return the text as the page shows it, with escaped control characters and tabs as spaces."""
    escaped = (c if c in "\n\t" or not is_control(c) else f"\\x{ord(c):02x}" for c in text)
    return re.sub(r"(?m)^ +$", "", "".join(escaped).expandtabs(4))


def is_control(character: str) -> bool:
    return ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0


@settings(deadline=None)
@given(st.text(st.sampled_from("ab \t"), min_size=100, max_size=600))
def test_long_lines_are_broken(line: str) -> None:
    """Lines are at most 120 characters long, and no character is lost."""
    with tempfile.TemporaryDirectory() as folder:
        (markdown,) = shown(write(Path(folder), output(model_output=line)), "model_output/0")
    _, _, _, *lines, _ = markdown.split("\n")

    assert line == "".join(lines)
    assert 120 >= max(map(len, lines))


def session(reader: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the hyperparameters of the HPARAMS page, and the tags of its metrics."""
    contents = reader.PluginTagToContent("hparams")
    experiment = hparams.parse_experiment_plugin_data(contents[hparams.EXPERIMENT_TAG])
    start = hparams.parse_session_start_info_plugin_data(contents[hparams.SESSION_START_INFO_TAG])
    assert "my-run" == start.group_name
    found = {name: getattr(v, v.WhichOneof("kind")) for name, v in start.hparams.items()}
    assert set(found) == {info.name for info in experiment.hparam_infos}
    return found, [info.name.tag for info in experiment.metric_infos]


def started(**hyperparameters: Any) -> dict[str, Any]:
    fields = {f"hyperparameters/{name}": value for name, value in hyperparameters.items()}
    return {"event": "run_started", "step": None, **fields}


def test_hyperparameters(tmp_path: Path) -> None:
    """Hyperparameters keep their types, and what is reported last applies to the run."""
    values = {"lr": 1e-5, "steps": 10, "bf16": True, "optim": "adamw", "betas": [0.9, 0.99]}
    training = {"event": "training", "loss": 1.0}
    first = started(**{**values, "lr": 1.0}, x=None)
    reader = write(tmp_path, started(), first, started(lr=values["lr"]), training)

    found, metrics = session(reader)
    assert values | {"betas": "[0.9, 0.99]"} == found
    assert found["bf16"] is True
    assert ["train/loss"] == metrics


def test_chosen_hyperparameters(tmp_path: Path) -> None:
    """Of a trainer's hyperparameters six are shown, and all that the user gives, as it has them."""
    many = {
        "bf16": True,
        "logging_steps": 1,
        "learning_rate": 1e-5,
        "per_device_train_batch_size": 8,
        "gradient_accumulation_steps": 1,
        "num_generations": 4,
        "beta": 0.0,
        "temperature": 1.0,
        "seed": 0,
    }
    own = started(mine=1, logging_steps=2)
    trainer = started(**many) | {"logger": "training"}
    reader = write(tmp_path, own, trainer, {"event": "training", "reward": 1.0, "loss": 0.0})

    shown = session(reader)[0]
    assert {"mine", "logging_steps", *list(many)[2:8]} == set(shown)
    assert many["logging_steps"] == shown["logging_steps"]


@pytest.mark.parametrize(
    ("events", "metrics"),
    [
        ([{"event": "training", "loss": 1.0}], ["train/loss", "eval/loss"]),
        (
            [
                {"event": "reward", "rewards/total/mean": 1.0},
                {"event": "training", "reward": 1.0, "loss": 0.0},
            ],
            ["train/reward", "train/loss", "eval/reward", "eval/loss"],
        ),
        (
            [{"event": "training", "loss": 1.0, "rewards/margins": 1.0}],
            ["train/rewards/margins", "train/loss", "eval/loss"],
        ),
        ([{"event": "mine", "speed": 1.0}, {"event": "mine", "speed": 1.0, "step": 2}], []),
    ],
)
def test_metrics_of_the_hyperparameters(
    tmp_path: Path, events: list[dict[str, Any]], metrics: list[str]
) -> None:
    """The HPARAMS page has columns for the metrics that the run has."""
    reader = write(tmp_path, started(lr=1.0, eval_strategy="steps"), *events)

    assert metrics == session(reader)[1]


@pytest.mark.parametrize(
    ("status", "shown_status"),
    [("finished", "SUCCESS"), ("failed", "FAILURE"), ("interrupted", "FAILURE")],
)
def test_end_of_session(tmp_path: Path, status: str, shown_status: str) -> None:
    """The status of the run is the status of its session."""
    contents = write(
        tmp_path,
        {"event": "run_started", "hyperparameters/lr": 1.0},
        {"event": "run_finished", "status": status},
    ).PluginTagToContent("hparams")
    end = hparams.parse_session_end_info_plugin_data(contents[hparams.SESSION_END_INFO_TAG])

    status_enum = end.DESCRIPTOR.fields_by_name["status"].enum_type
    assert f"STATUS_{shown_status}" == status_enum.values_by_number[end.status].name


def test_no_hyperparameters(tmp_path: Path) -> None:
    """Without hyperparameters there is no HPARAMS page."""
    reader = write(tmp_path, {"event": "run_started"}, {"event": "run_finished"})

    with pytest.raises(KeyError):
        reader.PluginTagToContent("hparams")


def read_layout(reader: Any) -> dict[str, list[str]]:
    """Return the patterns of the charts in the latest layout, by category."""
    event = reader.Tensors("custom_scalars__config__")[-1]
    layout = Layout.FromString(event.tensor_proto.string_val[0])
    return {
        category.title: [chart.multiline.tag[0] for chart in category.chart]
        for category in layout.category
    }


def test_layout(tmp_path: Path) -> None:
    """The layout has charts for rewards, training, completions and the machine."""
    reader = write(
        tmp_path,
        {"event": "training", "grad_norm": 1.0, "completions/clipped_ratio": 0.5},
        {"event": "reward", "rewards/a/mean": 1.0},
        {"event": "system", "gpu/0/utilization_percent": 50.0},
        {"event": "training", "gpu/0/memory_used_bytes": 1, "step": 2},
        {"event": "system", "cpu_percent": 5.0, "step": 3},
    )
    layout = read_layout(reader)
    charts = [chart for charts in layout.values() for chart in charts]

    tags = ["rewards/a/mean", "train/grad_norm", "train/completions/clipped_ratio"]
    tags += ["system/gpu/0/utilization_percent", "train/gpu/0/memory_used_bytes"]
    assert [1] * len(tags) == [sum(bool(re.match(chart, tag)) for chart in charts) for tag in tags]
    assert ["Rewards", "Training", "Completions", "System", "GPU"] == list(layout)


def test_layout_has_no_empty_chart(tmp_path: Path) -> None:
    """A chart is in the layout from the first step on that has a point for it."""
    reward = {"event": "reward", "rewards/a/mean": 1.0}
    training = {"event": "training", "loss": 1.0, "note": "reward"}
    before = read_layout(write(tmp_path / "before", training, reward))
    evaluation = {**reward, "mode": "eval", "step": 2}
    after = read_layout(write(tmp_path / "after", training, reward, evaluation))

    (train_chart,) = before["Rewards"]
    assert {"Rewards": [train_chart], "Training": ["(train|eval)/loss$"]} == before
    assert [train_chart, "eval/rewards/.*/mean$"] == after["Rewards"]


def test_groups_of_curves(tmp_path: Path) -> None:
    """Details of a step are no group before the rewards, and numbers of alerts have no curve."""
    reader = write(
        tmp_path,
        {"event": "rank", "step_s": 1.0},
        {"event": "alert", "signal": "loss_spike", "value": 9.0, "threshold": 3.0},
        {"event": "reward", "rewards/a/mean": 1.0, "frac_all_correct": 0.5},
        {"event": "evaluation", "mode": "eval", "loss": 1.0},
    )
    tags = ["eval/loss", "rewards/a/mean", "train/rank/step_s", "train/reward/frac_all_correct"]
    assert tags == sorted(reader.Tags()["scalars"])
