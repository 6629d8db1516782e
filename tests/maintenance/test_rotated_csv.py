"""Runs whose CSV was rotated: checked, repaired, rebuilt, killed and continued."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.maintenance.doctor import diagnose
from logflume.maintenance.repair import repair
from logflume.maintenance.replay import replay
from tests.maintenance.readers import read_csv, read_journal
from tests.maintenance.runs import CONFIG, log_steps, start, write_run
from tests.maintenance.test_kills import kill, start_script, wait_for_line


def rotating(rotate_bytes: int) -> dict[str, Any]:
    """Return the sinks of a configuration whose CSV and journal are rotated."""
    sinks = {name: dict(options) for name, options in CONFIG["sinks"].items()}
    sinks["outputs"]["rotate_bytes"] = rotate_bytes
    sinks["jsonl"]["rotate_bytes"] = 4_000
    return sinks


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two ranks, the first of which was continued. Each step is a file of its CSV."""
    folder = tmp_path_factory.mktemp("rotated")
    for rank, *attempts in ((0, range(3), range(2, 5)), (1, range(3))):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RANK", str(rank))
            for steps in attempts:
                run = start(folder, sinks=rotating(1_000))
                for step in steps:
                    log_steps(step)
                    logflume.flush()
                logflume.shutdown()
    return run


def read_rows(folder: Path) -> dict[str, list[list[str]]]:
    """Return the rows of each CSV output, of all its files, checking that each has the header."""
    rows: dict[str, list[list[str]]] = {}
    for name, (header, *of_file) in read_csv(folder).items():
        of_output = rows.setdefault(name.partition(".")[0], [header])
        assert header == of_output[0]
        of_output += of_file
    return rows


def test_a_rotated_csv_is_sound(source: Path) -> None:
    """The doctor compares all files of each rank with the journal."""
    assert [] == diagnose(source)
    assert 3 < len(list(source.glob("outputs.0*.csv")))
    assert list(source.glob("outputs-rank1.0*.csv"))


@pytest.mark.parametrize("damage", ["removed", "torn", "changed", "doubled", "without header"])
def test_a_damaged_rotated_file(damage: str, source: Path, tmp_path: Path) -> None:
    """Damage of one file is an issue of the output, and a repair restores every row."""
    folder = shutil.copytree(source, tmp_path / "r")
    sound = read_rows(folder)
    path = folder / "outputs.000002.csv"
    content = path.read_bytes()
    if damage == "removed":
        path.unlink()
    elif damage == "doubled":
        shutil.copy(path, folder / "outputs.000099.csv")
    else:
        damaged = {
            "torn": content[:-3],
            "changed": content.replace(b"is it 1", b"is it 7", 1),
            "without header": content.partition(b"\n")[2],
        }
        path.write_bytes(damaged[damage])

    assert {"outputs.csv"} == {issue.file for issue in diagnose(folder)}
    assert [] == repair(folder)
    assert sound == read_rows(folder)
    assert [] == diagnose(folder)


def test_a_replay_removes_superfluous_files(source: Path, tmp_path: Path) -> None:
    """Rebuilt in place, the output has the new files and no old one; a user's copy is kept."""
    folder = shutil.copytree(source, tmp_path / "r")
    sound = read_rows(folder)
    shutil.copy(folder / "outputs.csv", folder / "outputs.000077.csv")
    (folder / "outputs.copy.csv").write_text("a user's\n")
    rebuilt = replay(folder, ["csv"])
    (folder / "outputs.copy.csv").unlink()

    assert sound == read_rows(folder)
    sizes = [sum(path.stat().st_size for path in folder.glob(f"{stem}.*csv")) for stem in STEMS]
    assert sizes == [output.size_bytes for output in rebuilt]


STEMS = ("outputs", "outputs-rank1")


def test_a_replay_elsewhere(source: Path, tmp_path: Path) -> None:
    """Rebuilt in another folder, CSV and journal have all of their rotated files."""
    replay(source, ["csv", "jsonl"], out=tmp_path)

    assert read_rows(source) == read_rows(tmp_path)
    assert list(tmp_path.glob("outputs.0*.csv"))
    assert list(tmp_path.glob("events.0*.jsonl.zst"))
    assert read_journal(source) == read_journal(tmp_path)


BUSY = """
import sys
from pathlib import Path
from tests.maintenance.runs import log_steps, start
from tests.maintenance.test_rotated_csv import rotating
import logflume

start(Path(sys.argv[1]), sinks=rotating(1), buffer={"flush_interval_s": 0.01})
for step in range(1_000_000):
    log_steps(step)
    if step == 20:
        logflume.flush()
        print("ready", flush=True)
"""


def test_a_run_that_is_killed_while_it_rotates(tmp_path: Path) -> None:
    """Live, it has no issue; killed and continued, each completion is in the CSV exactly once."""
    process = start_script(BUSY, str(tmp_path))
    assert "ready" == wait_for_line(process)
    live = diagnose(tmp_path / "r")
    kill(process)
    folder = write_run(tmp_path, range(1), sinks=rotating(1))
    header, *rows = read_rows(folder)["outputs"]
    in_csv = [position(dict(zip(header, row, strict=True))) for row in rows]
    events = logflume.open_run(folder, attempts="all")
    logged = [position(event) for event in events if event["event"] == "model_output"]

    assert [] == live
    assert [] == diagnose(folder)
    assert sorted(logged) == sorted(in_csv)


def position(fields: dict[str, Any]) -> tuple[int, int]:
    return int(fields["attempt"]), int(fields["seq"])
