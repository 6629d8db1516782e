"""Runs that earlier versions wrote are read, continued, checked and repaired."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

import logflume
from tests.maintenance.damages import (
    damage_event_file,
    first_file,
    remove_part,
    tear_csv,
    tear_journal,
    truncate,
)
from tests.maintenance.readers import read_outputs
from tests.recorded.record import RECORDINGS, describe, doctor, log_steps, start

RECORDED = sorted(path.parent for path in RECORDINGS.glob("*/answers.json"))
RUNS = [(recording, run) for recording in RECORDED for run in ("continued", "killed")]

each_run = pytest.mark.parametrize(
    ("recording", "run"), RUNS, ids=[f"{recording.name}-{run}" for recording, run in RUNS]
)


def take(recording: Path, run: str, folder: Path) -> Path:
    return shutil.copytree(recording / "runs" / run, folder / run)


def answers(recording: Path, run: str) -> Any:
    return json.loads((recording / "answers.json").read_text())[run]


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


@each_run
def test_it_is_read(recording: Path, run: str, tmp_path: Path) -> None:
    """Every answer, and what the doctor finds, is what the version that wrote it said."""
    folder = take(recording, run, tmp_path)

    assert answers(recording, run) == as_json(describe(folder))


def assert_same_values(whole: dict[str, Any], repaired: dict[str, Any]) -> None:
    """Compare the outputs of an earlier version with those that this one has made of the journal.

    A CSV that is rewritten also has the columns that were declared since. TensorBoard's curves
    have the tags of this version.
    """
    for name, (header, *rows) in whole["csv"].items():
        new_header, *new_rows = repaired["csv"][name]
        places = [new_header.index(column) for column in header]
        assert rows == [[row[place] for place in places] for row in new_rows]
    curves, new_curves = whole["tensorboard"], repaired["tensorboard"]
    common = curves.keys() & new_curves.keys()
    assert any(tag.endswith("loss") for tag in common)
    assert {tag: curves[tag] for tag in common} == {tag: new_curves[tag] for tag in common}
    others = whole.keys() - {"csv", "tensorboard"}
    assert {name: whole[name] for name in others} == {name: repaired[name] for name in others}


@pytest.mark.parametrize("worker", ["thread", "process"])
@each_run
def test_it_is_continued(recording: Path, run: str, worker: str, tmp_path: Path) -> None:
    """The next attempt keeps every event, and fills in what a kill kept from the other sinks."""
    before = answers(recording, run)
    folder = take(recording, run, tmp_path)
    start(tmp_path, run, worker)
    log_steps(range(6, 9))
    assert logflume.shutdown()

    after = as_json(describe(folder))
    assert [] == after["doctor"]
    assert before["positions"] == [p for p in after["positions"] if p in before["positions"]]
    attempts = [attempt for attempt, _, process in after["positions"] if not process]
    assert max(attempt for attempt, *_ in before["positions"]) + 1 == max(attempts)
    losses = {step: value for step, value in before["losses"] if step < 6}
    assert losses == {step: value for step, value in after["losses"] if step < 6}
    for event_type in {"training", "model_output", "beat"}:
        rows = duckdb.read_parquet(f"{folder}/parquet/{event_type}/*.parquet").fetchall()
        assert after["events"][event_type] == len(rows)


def read_values(folder: Path) -> dict[str, Any]:
    """Return what all outputs hold, but for the titles of TensorBoard panels, which may change.

    Version 0.1 wrote a point for each event, later versions write one for each step.
    """
    outputs = read_outputs(folder)
    shown = outputs["tensorboard"]
    shown.pop("tensorboard/custom_scalars__config__", None)
    if beats := shown.get("tensorboard/beat/value"):
        shown["tensorboard/beat/value"] = list(dict.fromkeys(beats))
    return outputs


@each_run
def test_it_is_repaired(recording: Path, run: str, tmp_path: Path) -> None:
    """The doctor finds what is damaged, and makes it as it was."""
    folder = take(recording, run, tmp_path)
    doctor(folder, "--fix")
    assert [] == doctor(folder)
    whole = read_values(folder)
    tear_csv(folder)
    tear_journal(folder)
    remove_part(folder)
    truncate(first_file(folder, "parquet/training/*.parquet"), 40)
    damage_event_file(folder)
    damaged = {"events.jsonl", "outputs.csv", "parquet/model_output", "parquet/training"}
    assert damaged | {"tensorboard"} <= {
        name.partition("/events.out")[0] for name in doctor(folder)
    }

    doctor(folder, "--fix")

    assert [] == doctor(folder)
    assert_same_values(whole, read_values(folder))
    expected = answers(recording, run)
    assert {**expected, "doctor": []} == as_json(describe(folder))
