"""Importing W&B histories: JSON Lines, and CSV from pandas and from charts of the web page."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import logflume
from logflume.exceptions import RunError
from logflume.importing import import_run
from tests.importing.importer import SAMPLES, fields, imported, of_type


def jsonl(path: Path, *rows: Any) -> Path:
    """Write rows as W&B's client does, NaN and infinities bare."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_public_history(tmp_path: Path) -> None:
    """Of rows as in a public `wandb-history.jsonl`, media are left out and times are kept."""
    result, events = imported(SAMPLES / "wandb-history.jsonl", tmp_path)
    training = of_type(events, "training")

    assert [0, 1, 2, 3] == [event["step"] for event in training]
    assert {"episodic_reward": 175.0, "_runtime": 4.98} == fields(training[0])
    assert "2020-03-13T03:58:38.239100Z" == training[0]["timestamp"] == events[0]["timestamp"]
    assert {"W&B media: video-file": 1} == result.left_out
    assert 3.75 == events[-1]["duration_s"]


def test_rows_from_trl(tmp_path: Path) -> None:
    """The step is the trainer's, not W&B's; a row without one belongs to the previous step."""
    source = jsonl(
        tmp_path / "rows.jsonl",
        {"train/loss": 0.5, "train/global_step": 10, "train/epoch": 0.1, "_step": 0},
        {"profiling/Time taken: generate": 2.0, "_step": 1},
        {"eval/loss": 0.25, "train/global_step": 20, "train/epoch": 0.2, "_step": 2},
        {"train/train_runtime": 9.0, "train/total_flos": 0, "train/global_step": 30, "_step": 3},
    )
    _, events = imported(source, tmp_path)
    first, second = of_type(events, "training")
    (evaluation,) = of_type(events, "evaluation")
    (summary,) = of_type(events, "summary")

    assert {"loss": 0.5, "epoch": 0.1, "global_step": 10, "_step": 0} == fields(first)
    assert (10, 2.0) == (second["step"], second["profiling/Time taken: generate"])
    assert (20, 0.25, 0.2, "eval") == tuple(
        evaluation[name] for name in ("step", "loss", "epoch", "mode")
    )
    assert (30, 9.0) == (summary["step"], summary["train_runtime"])


def test_nested_and_odd_rows(tmp_path: Path) -> None:
    """Nested objects are flattened, reserved names are kept in `extras`, and null is ignored."""
    source = jsonl(
        tmp_path / "rows.jsonl",
        {
            "train": {"loss": 1.0, "rewards": {"a": {"mean": 2.0}}},
            "eval": {"loss": 3.0},
            "seq": 7,
            "event": "x",
            "nothing": None,
            "list": [1, 2.5],
            "name": "a\ud800b",
            "loss": 4.0,
            "step": 1,
        },
    )
    with source.open("ab") as file:
        file.write(b'{"loss": 1\n[1]\n\n"text"\n{"step": 2, "loss": Infinity')
    result, events = imported(source, tmp_path)
    (event,) = of_type(events, "training")

    assert (4.0, 1.0, 2.0) == (event["loss"], event["train/loss"], event["rewards/a/mean"])
    assert [1.0, 2.5] == event["list"]
    assert {"seq": 7, "event": "x"} == json.loads(event["extras"])
    assert "a\\ud800b" == event["name"]
    assert [3.0] == [e["loss"] for e in of_type(events, "evaluation")]
    assert {"lines that are not JSON objects": 4} == result.left_out


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).map("m/".__add__)
NUMBERS = st.floats(allow_nan=True) | st.integers(-(2**53), 2**53)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(st.dictionaries(NAMES, NUMBERS, min_size=1), min_size=1), as_text=st.booleans()
)
def test_any_numbers_come_back(
    rows: list[dict[str, float]], as_text: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Finite numbers, NaN, infinities and -0 are read back from the run unchanged."""
    folder = tmp_path_factory.mktemp("import")
    texts = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    written = [
        {name: texts.get(str(v), v) if as_text else v for name, v in row.items()} for row in rows
    ]
    source = jsonl(
        folder / "rows.jsonl", *({**row, "_step": step} for step, row in enumerate(written))
    )
    result = import_run(source, dir=folder, run="r")
    events = of_type(list(logflume.open_run(result.folder)), "training")

    expected = [{name: repr(float(value)) for name, value in row.items()} for row in rows]
    found = [{name: repr(value) for name, value in fields(event).items()} for event in events]
    assert expected == found
    assert {} == result.left_out


def test_a_chart_from_the_web_page(tmp_path: Path) -> None:
    """The name of an only run is removed; extremes are kept where they differ from the value."""
    result, events = imported(SAMPLES / "wandb_chart.csv", tmp_path)
    training = of_type(events, "training")

    assert [1, 2, 3, 4] == [event["step"] for event in training]
    assert 0.12500000186 == training[0]["reward"]
    assert math.isnan(training[1]["reward"])
    assert "reward/min" not in training[1]
    assert (0.75, 0.5, math.inf) == tuple(
        training[2][name] for name in ("reward", "reward/min", "reward/max")
    )
    assert "reward" not in training[3]
    assert "wandb_chart" == result.run


def test_a_chart_of_several_runs(tmp_path: Path) -> None:
    """With several runs each field is prefixed with the name of its run."""
    names = [f"run - {n} - eval/loss{end}" for n in (1, 2) for end in ("", "__MIN", "__MAX")]
    with (tmp_path / "chart.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["Step", *names], [5, 1, 1, 1, 2, 2, 2]])
    _, events = imported(tmp_path / "chart.csv", tmp_path)
    (evaluation,) = of_type(events, "evaluation")

    assert {"run - 1/loss": 1.0, "run - 2/loss": 2.0} == fields(evaluation)


@pytest.mark.parametrize("index", [True, False])
def test_a_table_from_pandas(index: bool, tmp_path: Path) -> None:
    """Texts, booleans, empty cells and row numbers from `run.history().to_csv()` are imported."""
    table = pd.DataFrame(
        {
            "_step": [0, 1],
            "_timestamp": [1.7e9, 1.7e9 + 1],
            "train/loss": [0.1, None],
            "note": ["a,\n b", "1_0"],
            "is_ok": [True, False],
            "big": [2**60, 5],
        }
    )
    table.to_csv(tmp_path / "table.csv", index=index)
    _, events = imported(tmp_path / "table.csv", tmp_path)
    first, second = of_type(events, "training")

    assert {"loss": 0.1, "note": "a,\n b", "is_ok": True, "big": 2.0**60} == fields(first)
    assert {"note": "1_0", "is_ok": False, "big": 5.0} == fields(second)
    assert "2023-11-14T22:13:21.000000Z" == second["timestamp"]


def test_an_empty_file(tmp_path: Path) -> None:
    """A file with only a header has nothing to import."""
    (tmp_path / "table.csv").write_text("step,loss\n")
    with pytest.raises(RunError, match=r"table\.csv: nothing to import"):
        imported(tmp_path / "table.csv", tmp_path)
    assert ["table.csv"] == [path.name for path in tmp_path.iterdir()]


def test_an_invalid_step(tmp_path: Path) -> None:
    """A row whose step is not a whole number belongs to the previous step."""
    (tmp_path / "history.csv").write_text("step,loss\n1,0.5\nbad,0.4\n2.5,0.3\n3,0.2\n")
    _, events = imported(tmp_path / "history.csv", tmp_path)
    rows = of_type(events, "training")
    assert [(1, 0.5), (1, 0.4), (1, 0.3), (3, 0.2)] == [(r["step"], r["loss"]) for r in rows]


def test_rows_from_lightning(tmp_path: Path) -> None:
    """`train_loss` without a final report is a curve, and `val_loss` belongs to an evaluation."""
    rows = [{"step": s, "train_loss": 1 / s, "train_acc": 0.5} for s in (1, 2, 3)]
    source = jsonl(tmp_path / "history.jsonl", *rows, {"step": 3, "val_loss": 2.0})
    result, events = imported(source, tmp_path / "logs")
    metrics = logflume.open_run(result.folder).metrics("train_loss", "val_loss", wide=True)

    assert [] == of_type(events, "summary")
    assert [(1, 1.0, None), (2, 0.5, None), (3, 1 / 3, None), (3, None, 2.0)] == [
        (row["step"], row["train_loss"], row["val_loss"]) for row in metrics.to_pylist()
    ]


def test_reports_as_rows(tmp_path: Path) -> None:
    """A row with the names of a trainer's evaluation is one as a whole, as in the callbacks."""
    row = {"step": 10, "eval_loss": 1.0, "reward": 0.5, "eval_runtime": 2.0}
    _, events = imported(jsonl(tmp_path / "logging.jsonl", row), tmp_path / "logs")
    (evaluation,) = of_type(events, "evaluation")

    assert {"loss": 1.0, "reward": 0.5, "runtime": 2.0} == fields(evaluation)
    assert [] == of_type(events, "training")


@pytest.mark.parametrize("form", [str, "{:04}".format, float])
def test_steps_in_other_forms(tmp_path: Path, form: Any) -> None:
    """A step that is a text is the same step as elsewhere; what is none is kept."""
    rows = [{"step": form(step), "loss": 1 / step} for step in (1, 20)]
    source = jsonl(tmp_path / "rows.jsonl", *rows, {"step": "2/40", "loss": 0.0})
    training = of_type(imported(source, tmp_path)[1], "training")
    assert [(1, 1.0), (20, 0.05), (20, 0.0)] == [(e["step"], e["loss"]) for e in training]
    assert '{"step":"2/40"}' == training[-1]["extras"]


def test_steps_of_other_trainers(tmp_path: Path) -> None:
    """The trainer's own step counts, not that of W&B, for Lightning and verl, too."""
    for name in ("trainer/global_step", "training/global_step"):
        source = jsonl(
            tmp_path / "rows.jsonl",
            {"train_loss": 1.0, "epoch": 0, name: 49, "_step": 0},
            {"val_loss": 0.9, "epoch": 0, name: 99, "_step": 1},
        )
        _, events = imported(source, tmp_path, run=name.replace("/", "-"))
        training, evaluation = of_type(events, "training")[0], of_type(events, "evaluation")[0]
        assert (49, 1.0) == (training["step"], training["train_loss"])
        assert (99, 0.9) == (evaluation["step"], evaluation["val_loss"])


def test_columns_of_one_name(tmp_path: Path) -> None:
    """Of columns with the same name the last one counts, and the others are counted."""
    source = tmp_path / "rows.csv"
    source.write_text("step,loss,,,loss\n1,0.5,,,0.25\n")
    result, events = imported(source, tmp_path)
    assert [0.25] == [event["loss"] for event in of_type(events, "training")]
    assert {"columns with the name of a later column": 1} == result.left_out


FILES = {
    "keras.csv": ("epoch", "epoch,loss,val_loss\n0,1.5,2.5\n1,1.0,2.0\n"),
    "ultralytics.csv": (
        "epoch",
        "     epoch,  train/loss\n         0,         1.5\n         1,  1\n",
    ),
    "sb3.csv": ("time/total_timesteps", "time/total_timesteps,train/loss\n0,1.5\n1,1.0\n"),
    "swift.jsonl": (
        "global_step/max_steps",
        '{"loss": 1.5, "epoch": 0.1, "global_step/max_steps": "0/9"}\n'
        '{"loss": 1.0, "epoch": 0.2, "global_step/max_steps": "1/9"}\n',
    ),
    "mmengine.json": (
        "iter",
        '{"loss": 1.5, "iter": 0, "step": 0}\n{"loss": 1.0, "iter": 1, "step": 1}\n'
        '{"coco/mAP": 0.5, "step": 99}\n',
    ),
    "rllib.json": (
        "training_iteration",
        '{"training_iteration": 0, "loss": 1.5}\n{"training_iteration": 1, "loss": 1.0}\n',
    ),
    "verl.jsonl": (
        "step",
        '{"step": 0, "data": {"loss": 1.5}}\n{"step": 1, "data": {"loss": 1.0}}\n',
    ),
    "epochs.jsonl": (None, '{"epoch": 1, "loss": 1.5}\n{"epoch": 1, "loss": 1.0}\n'),
}
"""The files of other tools: the field that is the step, and rows with losses at steps 0 and 1."""


@pytest.mark.parametrize("name", FILES)
def test_steps_of_files_of_other_tools(tmp_path: Path, name: str) -> None:
    """Each tool's own name of the step is found; an epoch with several rows is none."""
    step, text = FILES[name]
    (tmp_path / name).write_text(text)
    result, events = imported(tmp_path / name, tmp_path / "logs")
    rows = [event for event in of_type(events, "training") if event.get("loss") is not None]

    assert step == result.step
    first = 0 if step else 1
    assert [(first, 1.5), (first + 1, 1.0)] == [(row["step"], row["loss"]) for row in rows]
    assert all("extras" not in fields(row) for row in rows)
