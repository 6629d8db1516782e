"""Rebuilding of sink files from the journal."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.exceptions import RunError
from logflume.maintenance.doctor import diagnose
from logflume.maintenance.replay import replay
from tests.cli.commands import check_error, check_output, run
from tests.maintenance.readers import read_csv, read_log, read_outputs, read_parquet
from tests.maintenance.runs import CONFIG, contents, log_steps, start, write_large, write_run

ALL = ["csv", "parquet", "tensorboard", "console"]


def test_all_sink_files(tmp_path: Path) -> None:
    """The sink files of all ranks and attempts have the same content as before."""
    folder = write_large(tmp_path)
    before = read_outputs(folder)
    assert any(folder.glob("events.0*.jsonl.zst"))
    rebuilt = replay(folder, ALL)

    assert before == read_outputs(folder)
    assert 8 == len(rebuilt)
    assert {"parquet", "parquet-rank1"} <= {result.path.name for result in rebuilt}


def test_removed_sink_files(tmp_path: Path) -> None:
    """Sink files that were removed are rebuilt with the same content."""
    folder = write_large(tmp_path)
    before = read_outputs(folder)
    for path in folder.iterdir():
        if not path.name.startswith(("events", "run")):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    replay(folder, ALL)

    assert before == read_outputs(folder)
    assert [] == diagnose(folder)


def test_text_files_are_identical(tmp_path: Path) -> None:
    """A journal, a CSV and a log that are rebuilt elsewhere are identical to those of the run."""
    folder = write_run(tmp_path, range(3), sinks=_without_rotation())
    replay(folder, ["jsonl", "csv", "console"], tmp_path / "out")
    rebuilt = contents(tmp_path / "out")

    assert {"events.jsonl", "outputs.csv", "training.log"} == set(rebuilt)
    assert rebuilt == {name: contents(folder)[name] for name in rebuilt}


def _without_rotation() -> dict[str, Any]:
    return {**CONFIG["sinks"], "jsonl": {"path": "{dir}/{run}/events.jsonl"}}


def test_a_live_run(tmp_path: Path) -> None:
    """The sink files of a live run are not replaced, but can be rebuilt elsewhere."""
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


def test_a_sink_that_was_not_configured(tmp_path: Path) -> None:
    """A run with only a journal gets the sink files of the default configuration."""
    journal_only = {"sinks": ["jsonl"]}
    loggers = {"model": journal_only}
    folder = write_run(tmp_path, range(2), root=journal_only, loggers=loggers)
    assert {} == read_parquet(folder)
    replay(folder, ["parquet", "csv"])

    assert 12 == len(read_parquet(folder)["parquet/model_output"])
    assert 13 == len(read_csv(folder)["model_outputs.csv"])
    assert [] == diagnose(folder)


def test_a_folder_that_was_moved(tmp_path: Path) -> None:
    """Sink files are rebuilt where the run is now, even if its folder was renamed."""
    folder = write_run(tmp_path / "a", range(2))
    before = read_outputs(folder)
    moved = folder.rename(tmp_path / "other name")
    shutil.rmtree(tmp_path / "a")
    replay(moved, ALL)

    assert before == read_outputs(moved)
    assert [] == diagnose(moved)
    assert not (tmp_path / "a").exists()


def test_foreign_files_are_kept(tmp_path: Path) -> None:
    """Foreign files in the folders of sinks are kept."""
    folder = write_run(tmp_path, range(2))
    foreign = [
        folder / "parquet" / "training" / "notes.md",
        folder / "parquet" / "mine" / "part.parquet",
        folder / "tensorboard" / "events.out.tfevents.1.trainer.1.0",
    ]
    for path in foreign[:2]:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    _write_event_file(foreign[2])
    replay(folder, ALL)

    assert all(path.exists() for path in foreign)
    assert "mine" == foreign[0].read_text()


def _write_event_file(path: Path) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    with path.open("wb") as file:
        RecordWriter(file).write(Event(file_version="brain.Event:2").SerializeToString())


def test_a_shared_sink_file(tmp_path: Path) -> None:
    """A file outside of the run's folder is not replaced, but can be rebuilt elsewhere."""
    shared = {**CONFIG["sinks"]["outputs"], "path": "{dir}/all.csv"}
    folder = write_run(tmp_path, range(2), sinks={**CONFIG["sinks"], "outputs": shared})
    before = (tmp_path / "all.csv").read_bytes()
    with pytest.raises(RunError, match="outside of the run's folder"):
        replay(folder, ["csv"])
    assert before == (tmp_path / "all.csv").read_bytes()
    replay(folder, ["csv"], tmp_path / "out")
    assert before == (tmp_path / "out" / "all.csv").read_bytes()


def test_a_damaged_journal(tmp_path: Path) -> None:
    """A damaged journal is refused with an error that says what to do; sink files are unchanged."""
    folder = write_run(tmp_path, range(2))
    journal = folder / "events.jsonl"
    journal.write_bytes(b"no event\n" + journal.read_bytes())
    before = read_outputs(folder)
    with pytest.raises(
        RunError, match=r"lines that are not JSON. To check the run: logflume doctor"
    ):
        replay(folder, ALL)
    assert before == read_outputs(folder)
    assert not list(folder.glob(".*"))


def test_the_command(tmp_path: Path) -> None:
    """`logflume replay` prints the rebuilt sink files; an error is one line and status 1."""
    folder = write_run(tmp_path, range(2))
    table = check_output(tmp_path, "replay", "r", "--to", "csv, parquet")
    assert str(folder / "outputs.csv") in table
    assert "12" in table

    assert "'jsonl' can't be rebuilt" in check_error(tmp_path, "replay", "r", "--to", "jsonl")
    assert "'pdf' can't be rebuilt; allowed: console, csv" in check_error(
        tmp_path, "replay", "r", "--to", "pdf"
    )
    check_output(tmp_path, "replay", "r", "--to", "csv", "--out", "o")
    assert "exists" in check_error(tmp_path, "replay", "r", "--to", "csv", "--out", "o")


def test_no_event_belongs_in_an_output(tmp_path: Path) -> None:
    """Without completions, no CSV of them is written; the command says so and fails."""
    with_journal = {"jsonl": CONFIG["sinks"]["jsonl"]}
    loggers = {"root": {"sinks": ["jsonl"]}, "loggers": {}}
    folder = start(tmp_path, **loggers, sinks=with_journal)
    logflume.get_logger().info("training", loss=0.5)
    logflume.shutdown()
    files = set(folder.iterdir())
    done = run(tmp_path, "replay", str(folder), "--to", "csv")

    assert 1 == done.returncode
    assert "no event of the run belongs in it" in done.stderr
    assert files == set(folder.iterdir())
