"""Importing `trainer_state.json`: samples modelled on public runs, and a real GRPO training."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

import logflume
from logflume.exceptions import RunError
from logflume.training import attach
from tests.importing.importer import SAMPLES, fields, imported, of_type
from tests.training.tiny_trainers import make_trainer


def same(left: Any, right: Any) -> bool:
    """Whether two values are equal; NaN equals NaN."""
    return bool(left == right) or (left != left and right != right)


@pytest.mark.parametrize("kind", ["grpo", "dpo", "sft"])
def test_every_number_of_the_log_is_imported(kind: str, tmp_path: Path) -> None:
    """Each value of each report is in the right event, at its step."""
    source = SAMPLES / f"{kind}_trainer_state.json"
    _, events = imported(source, tmp_path)

    def has(step: int, name: str, value: Any) -> bool:
        event_type = "summary" if name.startswith("train_") or name == "total_flos" else "training"
        event_type = "evaluation" if name.startswith("eval_") else event_type
        name = name.removeprefix("eval_")
        found = [e for e in of_type(events, event_type) if e["step"] == step]
        return any(same(value, event.get(name)) for event in found)

    reports = json.loads(source.read_text())["log_history"]
    values = [
        (r["step"], name, float(v)) for r in reports for name, v in r.items() if name != "step"
    ]
    assert [] == [value for value in values if value[1] != "epoch" and not has(*value)]
    epochs = {(r["step"], r["epoch"]) for r in reports}
    found = {(e["step"], e["epoch"]) for e in events if e["event"] in ("training", "summary")}
    assert epochs == found


def test_evaluations_have_the_epoch_and_the_mode(tmp_path: Path) -> None:
    """An evaluation has the field names of `training`, its epoch and the mode `eval`."""
    _, events = imported(SAMPLES / "dpo_trainer_state.json", tmp_path)
    (evaluation,) = of_type(events, "evaluation")

    assert (20, "eval", 0.2) == (evaluation["step"], evaluation["mode"], evaluation["epoch"])
    assert 0.5625 == evaluation["rewards/accuracies"]
    assert [10, 20, 30] == [event["step"] for event in of_type(events, "training")]
    assert math.isnan(of_type(events, "training")[1]["grad_norm"])


def test_the_rest_of_the_state(tmp_path: Path) -> None:
    """Hyperparameters become `run_started`, and all other values `trainer_state`."""
    _, events = imported(SAMPLES / "dpo_trainer_state.json", tmp_path)
    (state,) = of_type(events, "trainer_state")

    assert 30 == of_type(events, "run_started")[1]["hyperparameters/max_steps"]
    assert ("dpo-out/checkpoint-20", 20) == (
        state["best_model_checkpoint"],
        state["best_global_step"],
    )
    assert 1.5221103e16 == state["total_flos"]


def test_status_and_times(tmp_path: Path) -> None:
    """A log that ends before `max_steps` is `interrupted`; events have the time of the file."""
    source = tmp_path / "my sft" / "trainer_state.json"
    source.parent.mkdir()
    shutil.copy(SAMPLES / "sft_trainer_state.json", source)
    os.utime(source, (1.7e9, 1.7e9))
    result, events = imported(source, tmp_path / "logs")

    assert "my-sft" == result.run
    assert {"2023-11-14T22:13:20.000000Z"} == {event["timestamp"] for event in events}
    assert "interrupted" == events[-1]["status"]
    assert '"interrupted"' in Path(result.folder, "run.json").read_text()


def test_newest_checkpoint_of_a_folder(tmp_path: Path) -> None:
    """Of several states the one of the last step is imported; a torn one is counted as left out."""
    for name, step in [("checkpoint-9", 9), ("checkpoint-10", 10), ("checkpoint-2", 2)]:
        (tmp_path / "out" / name).mkdir(parents=True)
        state = {"global_step": step, "log_history": [{"loss": float(step), "step": step}]}
        (tmp_path / "out" / name / "trainer_state.json").write_text(json.dumps(state))
    (tmp_path / "out" / "checkpoint-11").mkdir()
    (tmp_path / "out" / "checkpoint-11" / "trainer_state.json").write_text('{"log_history": [')
    (tmp_path / "out" / "checkpoint-10" / "training_args.bin").write_bytes(b"cos\nsystem\n")
    result, events = imported(tmp_path / "out", tmp_path / "logs")

    assert [10.0] == [event["loss"] for event in of_type(events, "training")]
    assert {
        "trainer_state.json files that can't be read": 1,
        "training_args.bin: a pickle, which could execute arbitrary code": 1,
    } == result.left_out


@pytest.mark.parametrize(
    "text", ["{", "[1", '{"log_history": 5}', '{"a": 1}', "", "null", "[" * 9999]
)
def test_an_invalid_state(text: str, tmp_path: Path) -> None:
    """An invalid file is an error that names it, and leaves no run behind."""
    (tmp_path / "trainer_state.json").write_text(text)
    with pytest.raises(RunError, match=r"trainer_state\.json: "):
        imported(tmp_path, tmp_path / "logs")
    assert ["trainer_state.json"] == sorted(p.name for p in tmp_path.iterdir() if p.is_file())
    assert [] == list(tmp_path.glob("logs/*"))


def test_a_log_history_saved_by_hand(tmp_path: Path) -> None:
    """A bare list of reports is imported, too."""
    (tmp_path / "log_history.json").write_text('[{"loss": NaN, "step": 3}, 5, {"step": 4}]')
    result, events = imported(tmp_path / "log_history.json", tmp_path / "logs", run="r")

    assert [3] == [event["step"] for event in of_type(events, "training")]
    assert {"log_history entries that are not reports": 1} == result.left_out


def test_a_real_training(tmp_path: Path) -> None:
    """Importing a GRPO training gives the same events that our callback logged live."""
    trainer = make_trainer(tmp_path / "out", eval_strategy="steps", eval_steps=2)
    with attach(trainer):
        logflume.initialize(
            {
                "root": {"sinks": ["jsonl"]},
                "sinks": {"jsonl": {"path": "{dir}/{run}/events.jsonl"}},
            },
            dir=tmp_path / "live",
            run="r",
        )
        trainer.train()
        trainer.save_state()
        logflume.shutdown()
    live = list(logflume.open_run(tmp_path / "live" / "r"))
    _, events = imported(tmp_path / "out", tmp_path / "logs", run="r")

    # transformers' progress printing removes `total_flos` from the report before our callback runs.
    removed = {"generation": None, "total_flos": None}
    for event_type in ("training", "evaluation", "summary"):
        expected = [fields(event | removed) for event in of_type(live, event_type)]
        assert len(expected) > 0
        assert expected == [fields(event | removed) for event in of_type(events, event_type)]


def test_the_run_is_complete(tmp_path: Path) -> None:
    """An imported run has Parquet parts, event files and the run state, with the same numbers."""
    result, events = imported(SAMPLES / "grpo_trainer_state.json", tmp_path)
    rows = duckdb.execute(
        f"select step, loss from '{result.folder}/parquet/training/*.parquet' order by seq"
    ).fetchall()

    assert [(e["step"], e["loss"]) for e in of_type(events, "training")] == rows
    assert list(range(len(events))) == [event["seq"] for event in events]
    assert result.events == logflume.open_run(result.folder).types()
    assert 1 == len(list(Path(result.folder, "tensorboard").iterdir()))
    assert [Path(result.folder)] == list(tmp_path.iterdir())
