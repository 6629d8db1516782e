"""Commands use what is left of a damaged run, and print what is missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.commands import check_error, run
from tests.query.training_run import write_run

DAMAGES = {
    "a mode": ('"mode":"train"', '"mode":"weird"'),
    "a level": ('"level":"info"', '"level":{"no":"text"}'),
    "no JSON": ('"step"', '"step'),
}


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is read from its journal."""
    folder = write_run(tmp_path_factory.mktemp("runs"), range(1, 5))
    shutil.rmtree(folder / "parquet")
    return folder


def damage(healthy: Path, folder: Path, old: str, new: str) -> int:
    """Copy the run, damage the second of its `training` events, and return the line's number."""
    shutil.copytree(healthy, folder)
    path = folder / "events.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    index = [n for n, line in enumerate(lines) if '"event":"training"' in line][1]
    lines[index] = lines[index].replace(old, new, 1)
    path.write_text("".join(lines))
    return index + 1


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_line_that_is_no_event(kind: str, healthy: Path, tmp_path: Path) -> None:
    """The other events are queried, and one line says which one is not, and how many."""
    number = damage(healthy, tmp_path / "r", *DAMAGES[kind])
    done = run(tmp_path, "sql", "r", "select step from training", "--format", "json")

    assert [1, 3, 4] == sorted(row["step"] for row in json.loads(done.stdout))
    assert done.stderr.startswith(f"r/events.jsonl, line {number}: ")
    assert "without 1 line that can't be read" in done.stderr
    assert 1 == done.stderr.count("\n")


@pytest.mark.parametrize("command", ["show", "diagnose", "tail"])
def test_commands_of_a_damaged_run(command: str, healthy: Path, tmp_path: Path) -> None:
    """A summary, a diagnosis and the last events are printed, with one line on standard error."""
    number = damage(healthy, tmp_path / "r", *DAMAGES["a mode"])
    done = run(tmp_path, command, "r")

    assert 0 == done.returncode
    assert done.stdout
    assert [f"r/events.jsonl, line {number}"] == [
        line.partition(": ")[0] for line in done.stderr.splitlines()
    ]


def test_a_damaged_run_without_a_journal(tmp_path: Path) -> None:
    """Where nothing is left, the command fails."""
    folder = write_run(tmp_path, range(1, 5))
    (folder / "events.jsonl").unlink()
    for part in folder.glob("parquet/training/*.parquet"):
        part.write_bytes(part.read_bytes()[:100])

    assert "training" in check_error(tmp_path, "sql", str(folder), "select * from training")
