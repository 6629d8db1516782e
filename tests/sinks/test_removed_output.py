"""Outputs that another process truncates or removes while the run writes them."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import logflume
from logflume.formats.tfevents import find_files, read_records
from logflume.maintenance.doctor import diagnose
from logflume.runs.info import RunInfo
from tests.event_helpers import read

OUTPUTS = {
    "jsonl": "events.jsonl",
    "csv": "events.csv",
    "parquet": "parquet",
    "tensorboard": "tensorboard",
    "text": "log.txt",
}

CONFIG: dict[str, Any] = {
    "root": {"sinks": [*OUTPUTS, "console"]},
    "sinks": {
        **{name: {"path": f"{{dir}}/{{run}}/{path}"} for name, path in OUTPUTS.items()},
        "text": {"type": "console", "path": "{dir}/{run}/log.txt"},
        "console": {"level": "WARNING"},
    },
}


@pytest.fixture(params=["thread", "process"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> RunInfo:
    return start(tmp_path, request.param)


def start(folder: Path, worker: str = "thread") -> RunInfo:
    return logflume.initialize({**CONFIG, "worker": worker}, dir=folder, run="r")


def log_steps(first: int) -> None:
    """Log a hundred steps, and let every sink write them."""
    for step in range(first, first + 100):
        logflume.get_logger("training").info("training", step=step, loss=float(step))
    logflume.flush()


def remove(*paths: Path) -> None:
    subprocess.run(["rm", "-r", *paths], check=True)


def copytruncate(path: Path, copy: Path) -> None:
    """Do what logrotate does with `copytruncate`."""
    shutil.copyfile(path, copy)
    os.truncate(path, 0)


def steps(*journals: Path) -> list[int]:
    return [e["step"] for path in journals for e in read(path) if e["event"] == "training"]


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def reported(journal: Path) -> list[tuple[str, str]]:
    """Return component and reason of the reports about limits and losses."""
    return [(e["component"], e["reason"]) for e in read(journal) if e.get("status") == "limited"]


def complete(run: RunInfo) -> set[str]:
    """Return the outputs that `run.json` claims to be complete."""
    return set(json.loads((run.folder / "run.json").read_text())["complete"])


def check_readable(run: RunInfo, expected: int) -> None:
    """Check that the run can be read and examined as it is."""
    assert expected == logflume.open_run(run.folder).events("training").num_rows
    command = [sys.executable, "-m", "logflume", "show", str(run.folder)]
    subprocess.run(command, check=True, capture_output=True)
    diagnose(run.folder)


def test_copytruncate(run: RunInfo, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A truncated file is reported once, and goes on with whole lines, the CSV with its header."""
    files = [run.folder / OUTPUTS[name] for name in ("jsonl", "csv", "text")]
    for number in range(3):
        log_steps(100 * number)
        for path in files if number < 2 else ():
            copytruncate(path, tmp_path / f"{path.name}.{number}")

    assert not logflume.shutdown()
    journals = [tmp_path / "events.jsonl.0", tmp_path / "events.jsonl.1", files[0]]
    assert list(range(300)) == steps(*journals)
    reports = reported(journals[1]) + reported(journals[2])
    assert ["csv", "jsonl", "text"] == sorted(component for component, _ in reports)
    size = f"{journals[0].stat().st_size:,}"
    expected = f"(logrotate's copytruncate?): {size} bytes are missing; rotate with `rotate_bytes`"
    assert expected in dict(reports)["jsonl"]
    assert expected in capsys.readouterr().err
    rows = csv_rows(files[1])
    in_csv = [row["step"] for row in rows if row["event"] == "training"]
    assert list(map(str, range(200, 300))) == in_csv
    assert not any(b"\0" in path.read_bytes() for path in files)
    assert {"parquet", "tensorboard"} == complete(run)
    check_readable(run, 300)


def test_a_file_cut_within_a_line(tmp_path: Path) -> None:
    """The rest of a line that another process has cut is removed before the next one is written."""
    run = start(tmp_path)
    log_steps(0)
    for name in ("jsonl", "csv", "text"):
        path = run.folder / OUTPUTS[name]
        os.truncate(path, path.stat().st_size - 7)
    log_steps(100)

    assert not logflume.shutdown()
    assert [*range(99), *range(100, 200)] == steps(run.folder / "events.jsonl")
    rows = csv_rows(run.folder / "events.csv")
    assert 199 == sum(row["event"] == "training" for row in rows)
    check_readable(run, 200)


def test_a_removed_run_folder(run: RunInfo, capsys: pytest.CaptureFixture[str]) -> None:
    """Each output is reported, goes on in a new file and isn't claimed to be complete."""
    log_steps(0)
    remove(run.folder)
    log_steps(100)

    assert not logflume.shutdown()
    assert sorted(OUTPUTS) == sorted(name for name, _ in reported(run.folder / "events.jsonl"))
    assert "events.jsonl was removed by another process" in capsys.readouterr().err
    assert list(range(100, 200)) == steps(run.folder / "events.jsonl")
    assert 100 == pq.read_table(run.folder / "parquet" / "training").num_rows
    assert 101 < len((run.folder / "events.csv").read_text().splitlines())
    assert 100 < len((run.folder / "log.txt").read_text().splitlines())
    (event_file,) = find_files(run.folder / "tensorboard")
    assert 100 < len(list(read_records(event_file)))
    assert set() == complete(run)
    check_readable(run, 100)


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_removed_output(name: str, tmp_path: Path) -> None:
    """One removed output is reported; the others are complete."""
    run = start(tmp_path)
    log_steps(0)
    remove(run.folder / OUTPUTS[name])
    log_steps(100)

    assert not logflume.shutdown()
    assert [name] == [component for component, _ in reported(run.folder / "events.jsonl")]
    assert (run.folder / OUTPUTS[name]).exists()
    assert set(OUTPUTS.values()) - {OUTPUTS[name]} == complete(run)
    check_readable(run, 200)


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_removed_after_the_last_event(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A removal that only the end of the run notices is reported by its lines there."""
    run = start(tmp_path)
    log_steps(0)
    remove(run.folder / OUTPUTS[name])

    assert not logflume.shutdown()
    assert f"logflume: {name}: " in capsys.readouterr().err
    assert OUTPUTS[name] not in complete(run)


def test_the_next_attempt_restores_removed_outputs(tmp_path: Path) -> None:
    """CSV and Parquet get what was removed, of earlier attempts too, when the run is continued."""
    start(tmp_path)
    log_steps(0)
    assert logflume.shutdown()
    run = start(tmp_path)
    log_steps(100)
    remove(run.folder / "parquet", run.folder / "events.csv")
    log_steps(200)
    assert not logflume.shutdown()
    start(tmp_path)

    assert logflume.shutdown()
    assert 300 == pq.read_table(run.folder / "parquet" / "training").num_rows
    assert [] == diagnose(run.folder)
