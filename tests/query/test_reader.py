"""`open_run`: reading a run while it is live and afterwards."""

from __future__ import annotations

import json
import math
import re
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.sinks.jsonl import JsonlSink

JOURNAL: dict[str, Any] = {
    "root": {"sinks": ["jsonl"]},
    "processors": ["tag_step", "flatten_rewards"],
    "sinks": {"jsonl": {"path": "{dir}/{run}/events.jsonl"}},
}


def start(folder: Path, **options: Any) -> Path:
    sinks = {"jsonl": {"path": "{dir}/{run}/events.jsonl", **options}}
    return logflume.initialize({**JOURNAL, "sinks": sinks}, dir=folder, run="r").folder


def probe(**fields: Any) -> dict[str, Any]:
    """Return an event of the type `probe`."""
    reserved = {"timestamp": "2026-11-26T00:00:00.000000Z", "level": "info", "logger": "training"}
    owner = {"event": "probe", "run": "r", "attempt": 0, "rank": 0}
    return {**reserved, **owner, "seq": 0, "step": None, **fields}


def write(folder: Path, *lines: Any, name: str = "events.jsonl") -> Path:
    """Append lines to a journal: raw bytes, or events given as fields or by `seq` number."""
    folder.mkdir(exist_ok=True)
    with (folder / name).open("ab") as file:
        for line in lines:
            fields = line if isinstance(line, dict) else {"seq": line}
            is_raw = isinstance(line, bytes)
            file.write(line if is_raw else json.dumps(probe(**fields)).encode() + b"\n")
    return folder


def seqs(folder: Path) -> list[int]:
    return [event["seq"] for event in logflume.open_run(folder)]


def test_a_live_run(tmp_path: Path) -> None:
    """A live run can be read at any time, and includes everything flushed so far."""
    folder = start(tmp_path)
    for step in range(3):
        logflume.get_logger().info("probe", step=step)
        assert logflume.flush()
        assert step + 1 == logflume.open_run(folder).types()["probe"]

    assert "run_finished" not in logflume.open_run(folder).types()


def test_a_finished_run(tmp_path: Path) -> None:
    """A finished run has all events by type, and the information from `run_started`."""
    start(tmp_path)
    logflume.get_logger().info("reward", a=[1.0, None], step=4)
    logflume.get_logger().info("run_started", hyperparameters={"beta": 0.5})
    logflume.shutdown()
    run = logflume.open_run(tmp_path / "latest")

    assert {"run_started": 2, "reward": 1, "run_finished": 1, "pipeline": 1} == run.types()
    assert ("r", 0, 4) == (run.info.run, run.info.attempt, run.info.last_step)
    assert [[1.0, None]] == run.events("reward")["rewards/a"].to_pylist()
    assert 0 == run.events("nothing").num_rows


def test_the_latest_attempt(tmp_path: Path) -> None:
    """`info` describes the latest attempt."""
    for _ in range(2):
        folder = start(tmp_path)
        logflume.shutdown()

    assert 1 == logflume.open_run(folder).info.attempt
    assert {0: 3, 1: 3} == {
        attempt: sum(event["attempt"] == attempt for event in logflume.open_run(folder))
        for attempt in (0, 1)
    }


def test_columns_have_types(tmp_path: Path) -> None:
    """Each column of a table has one type, whichever rows lack the field."""
    folder = start(tmp_path)
    log = logflume.get_logger()
    log.info("probe", x=1)
    log.info("probe", x="text", texts=["a"], numbers=[1, None], flag=True)
    log.info("probe", texts=[], numbers=[])
    logflume.shutdown()
    table = logflume.open_run(folder).events("probe")

    assert ["double", "list<item: string>", "list<item: double>", "bool"] == [
        str(table.schema.field(name).type) for name in ("x", "texts", "numbers", "flag")
    ]
    assert [None, '{"x":"text"}', None] == table["extras"].to_pylist()


def test_non_finite_numbers_are_restored(tmp_path: Path) -> None:
    """NaN and infinities are restored in scalars and lists, whatever the field names."""
    folder = start(tmp_path)
    values = {
        "loss": math.nan,
        "a": [1.0, math.inf, None, math.nan],
        "a.1": 5.0,
        "b.c": -math.inf,
        "b.d": [-math.inf],
    }
    logflume.get_logger().info("probe", **values)
    logflume.shutdown()
    (event,) = (event for event in logflume.open_run(folder) if event["event"] == "probe")

    assert repr(values) == repr({name: event[name] for name in values})
    assert "nonfinite" not in event
    (row,) = logflume.open_run(folder).events("probe").to_pylist()
    assert math.inf == row["a"][1]


def test_rotated_files_come_first(tmp_path: Path) -> None:
    """Rotated files, compressed or not, are read in order before the active file."""
    folder = start(tmp_path, rotate_bytes=500)
    for step in range(30):
        logflume.get_logger().info("probe", step=step)
        logflume.flush()
    logflume.shutdown()

    assert 3 < len(list(folder.glob("events.*.jsonl.zst")))
    assert list(range(33)) == seqs(folder)


def test_file_numbers_of_any_length(tmp_path: Path) -> None:
    """Rotated files are sorted by number, even if the numbers differ in length."""
    for number in (999_999, 1_000_000, 2):
        write(tmp_path, number, name=f"events.{number:06d}.jsonl")
    write(tmp_path, 2_000_000)

    assert [2, 999_999, 1_000_000, 2_000_000] == seqs(tmp_path)


def test_all_ranks_are_joined(tmp_path: Path) -> None:
    """The journals of all ranks and of forked children are part of the run."""
    for name in ("events-rank1.jsonl", "events.jsonl", "events-rank10.jsonl", "events-pid7.jsonl"):
        write(tmp_path, len(name), name=name)

    assert {12, 18, 19, 17} == set(seqs(tmp_path))


def test_an_incomplete_line_is_ignored(tmp_path: Path) -> None:
    """An incomplete last line of a live or killed run is not an error."""
    assert [0, 1] == seqs(write(tmp_path, 0, 1, b'{"seq": 2, "even'))


@pytest.mark.parametrize("damage", [b"\0\0\0\n", b"{]\n", b"\n"])
def test_a_damaged_line_is_reported(damage: bytes, tmp_path: Path) -> None:
    """An invalid line before the last is an error that names the file and line number."""
    with pytest.raises(logflume.RunError, match=r"events\.jsonl, line 2: invalid JSON"):
        seqs(write(tmp_path, 0, damage, 1))


def test_a_file_being_compressed(tmp_path: Path) -> None:
    """While both the compressed and the uncompressed file exist, events are read once."""
    with closing(JsonlSink(tmp_path / "events.jsonl", rotate_bytes=1)) as sink:
        for seq in range(2):
            sink.write([probe(seq=seq)])
    write(tmp_path, 0, name="events.000001.jsonl")
    (tmp_path / ".events.000001.jsonl.zst.tmp").write_bytes(b"half")

    assert [0, 1] == seqs(tmp_path)


def test_reading_while_files_rotate(tmp_path: Path) -> None:
    """A read started at any moment sees every event written before, once and in order."""
    with closing(JsonlSink(tmp_path / "events.jsonl", rotate_bytes=200)) as sink:
        written = 0
        done = threading.Event()

        def keep_writing() -> None:
            nonlocal written
            for seq in range(600):
                sink.write([probe(seq=seq, text="x" * 50)])
                written = seq + 1
            done.set()

        thread = threading.Thread(target=keep_writing)
        sink.write([])
        thread.start()
        while not done.is_set():
            least = written
            read = seqs(tmp_path)
            assert list(range(len(read))) == read
            assert least <= len(read)
        thread.join()

    assert list(range(600)) == seqs(tmp_path)


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: None])
def test_no_run(make: Any, tmp_path: Path) -> None:
    """An empty folder, a file and a missing path are not runs."""
    path = tmp_path / "r"
    make(path)

    with pytest.raises(logflume.RunError, match=f"{path}: there is no run here"):
        logflume.open_run(path)


def test_the_error_names_the_runs_that_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs beside the given path, or else in the usual folder, are named, similar ones first."""
    monkeypatch.delenv("LOGFLUME_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()
    for name in ("alpha", "beta", "gamma"):
        write(tmp_path / "logs" / name, 0)

    for path, hint in {
        "logs/alhpa": "Existing runs: logs/alpha, logs/gamma, logs/beta",
        "nope": "Existing runs: logs/gamma, logs/beta, logs/alpha",
        "beta": "Did you mean 'logs/beta'?",
        "logs": "This folder contains runs: give one of them, such as 'logs/gamma'",
    }.items():
        with pytest.raises(logflume.RunError, match=re.escape(hint)):
            logflume.open_run(path)
    with pytest.raises(logflume.RunError, match="Existing runs: logs/gamma"):
        logflume.open_runs("lgs/*")


def test_an_empty_journal_is_a_run(tmp_path: Path) -> None:
    """A run that has just started has no events yet, not even `run_started`."""
    run = logflume.open_run(write(tmp_path))

    assert ({}, "unknown", []) == (run.types(), run.info.status, list(run))
