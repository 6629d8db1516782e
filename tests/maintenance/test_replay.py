"""Outputs made anew from the journal."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.exceptions import RunError
from logflume.maintenance.doctor import diagnose
from logflume.maintenance.replay import replay
from tests.cli.commands import ask, refuse
from tests.maintenance.readers import read_csv, read_log, read_outputs, read_parquet
from tests.maintenance.runs import CONFIG, contents, log_steps, start, write_large, write_run

ALL = ["csv", "parquet", "tensorboard", "console"]


def test_outputs_are_as_they_were(tmp_path: Path) -> None:
    """Of all ranks and attempts every output says the same as before, to its users' readers."""
    folder = write_large(tmp_path)
    before = read_outputs(folder)
    assert any(folder.glob("events.0*.jsonl.zst"))
    made = replay(folder, ALL)

    assert before == read_outputs(folder)
    assert 8 == len(made)
    assert {"parquet", "parquet-rank1"} <= {one.path.name for one in made}


def test_outputs_that_are_gone_come_back(tmp_path: Path) -> None:
    """It is the same where the outputs were removed before."""
    folder = write_large(tmp_path)
    before = read_outputs(folder)
    for path in folder.iterdir():
        if not path.name.startswith(("events", "run")):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    replay(folder, ALL)

    assert before == read_outputs(folder)
    assert [] == diagnose(folder)


def test_text_files_are_the_same_to_the_byte(tmp_path: Path) -> None:
    """The journal, the CSV and the log that are made elsewhere are those of the run."""
    folder = write_run(tmp_path, range(3), sinks=_one_journal())
    replay(folder, ["jsonl", "csv", "console"], tmp_path / "out")
    made = contents(tmp_path / "out")

    assert {"events.jsonl", "outputs.csv", "training.log"} == set(made)
    assert made == {name: contents(folder)[name] for name in made}


def _one_journal() -> dict[str, Any]:
    return {**CONFIG["sinks"], "jsonl": {"path": "{dir}/{run}/events.jsonl"}}


def test_a_run_that_is_written(tmp_path: Path) -> None:
    """It is refused in place, and its outputs stay; elsewhere they can be made."""
    folder = start(tmp_path)
    log_steps(0, 1)
    assert logflume.flush()
    before = read_csv(folder)
    with pytest.raises(RunError, match="is writing this run"):
        replay(folder, ALL)
    assert before == read_csv(folder)
    replay(folder, ALL, tmp_path / "out")
    assert before == read_csv(tmp_path / "out")
    assert read_log(folder) == read_log(tmp_path / "out")
    logflume.shutdown()


def test_an_output_that_the_run_had_not(tmp_path: Path) -> None:
    """A run with a journal only gets it as the default configuration has it."""
    only = ["jsonl"]
    loggers = {"model": {"sinks": only}}
    folder = write_run(tmp_path, range(2), root={"sinks": only}, loggers=loggers)
    assert {} == read_parquet(folder)
    replay(folder, ["parquet", "csv"])

    assert 12 == len(read_parquet(folder)["parquet/model_output"])
    assert 13 == len(read_csv(folder)["model_outputs.csv"])
    assert [] == diagnose(folder)


def test_a_folder_that_was_moved(tmp_path: Path) -> None:
    """The outputs are made where the run is now, whatever the folder is called."""
    folder = write_run(tmp_path / "a", range(2))
    before = read_outputs(folder)
    moved = folder.rename(tmp_path / "other name")
    shutil.rmtree(tmp_path / "a")
    replay(moved, ALL)

    assert before == read_outputs(moved)
    assert [] == diagnose(moved)
    assert not (tmp_path / "a").exists()


def test_files_of_strangers_stay(tmp_path: Path) -> None:
    """What others have put into the folders of outputs is there afterwards, too."""
    folder = write_run(tmp_path, range(2))
    strangers = [
        folder / "parquet" / "training" / "notes.md",
        folder / "parquet" / "mine" / "part.parquet",
        folder / "tensorboard" / "events.out.tfevents.1.trainer.1.0",
    ]
    for path in strangers[:2]:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    _write_event_file(strangers[2])
    replay(folder, ALL)

    assert all(path.exists() for path in strangers)
    assert "mine" == strangers[0].read_text()


def _write_event_file(path: Path) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    with path.open("wb") as file:
        RecordWriter(file).write(Event(file_version="brain.Event:2").SerializeToString())


def test_an_output_outside_of_the_run(tmp_path: Path) -> None:
    """A file that several runs share is not replaced; elsewhere the run's own part is made."""
    shared = {**CONFIG["sinks"]["outputs"], "path": "{dir}/all.csv"}
    folder = write_run(tmp_path, range(2), sinks={**CONFIG["sinks"], "outputs": shared})
    before = (tmp_path / "all.csv").read_bytes()
    with pytest.raises(RunError, match="outside of the run's folder"):
        replay(folder, ["csv"])
    assert before == (tmp_path / "all.csv").read_bytes()
    replay(folder, ["csv"], tmp_path / "out")
    assert before == (tmp_path / "out" / "all.csv").read_bytes()


def test_a_damaged_journal(tmp_path: Path) -> None:
    """It is no base for outputs: the error says what to do, and the outputs stay."""
    folder = write_run(tmp_path, range(2))
    journal = folder / "events.jsonl"
    journal.write_bytes(b"no event\n" + journal.read_bytes())
    before = read_outputs(folder)
    with pytest.raises(RunError, match=r"lines that are no JSON. Look with: logflume doctor"):
        replay(folder, ALL)
    assert before == read_outputs(folder)
    assert not list(folder.glob(".*"))


def test_the_command(tmp_path: Path) -> None:
    """`logflume replay` says what it has made; what can't be is one line and status 1."""
    folder = write_run(tmp_path, range(2))
    told = ask(tmp_path, "replay", "r", "--to", "csv, parquet")
    assert str(folder / "outputs.csv") in told
    assert "12" in told

    assert "'jsonl' can't be made anew" in refuse(tmp_path, "replay", "r", "--to", "jsonl")
    assert "'pdf' can't be made anew; allowed: csv" in refuse(
        tmp_path, "replay", "r", "--to", "pdf"
    )
    ask(tmp_path, "replay", "r", "--to", "csv", "--out", "o")
    assert "exists" in refuse(tmp_path, "replay", "r", "--to", "csv", "--out", "o")
