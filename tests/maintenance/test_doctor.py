"""What the doctor finds, and what it makes right again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

import logflume
from logflume.exceptions import RunError
from logflume.maintenance.doctor import diagnose
from logflume.maintenance.repair import repair
from logflume.maintenance.replay import replay
from tests.cli.commands import ask, run
from tests.maintenance.damages import DAMAGES, break_state, cut, first, tear_csv
from tests.maintenance.readers import read_journal, read_outputs
from tests.maintenance.runs import CONFIG, contents, log_steps, start, write_large, write_run


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_large(tmp_path_factory.mktemp("large"))


def test_a_run_that_is_well(large: Path) -> None:
    """There is nothing to say about several ranks and attempts, and nothing is changed."""
    before = contents(large)

    assert [] == diagnose(large)
    assert before == contents(large)


def test_a_live_run(tmp_path: Path) -> None:
    """What is not written yet is not wrong; a repair is refused."""
    folder = start(tmp_path)
    log_steps(*range(5))
    assert logflume.flush()
    log_steps(5)
    assert [] == diagnose(folder)
    with pytest.raises(RunError, match="is writing this run"):
        repair(folder)
    logflume.shutdown()


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damages(damage: Callable[[Path], None], large: Path, tmp_path: Path) -> None:
    """Each is found by file and kind; after the repair all is as before, and nothing is found."""
    folder = shutil.copytree(large, tmp_path / "r")
    outputs, journal = read_outputs(folder), read_journal(folder)
    damage(folder)
    before = contents(folder)
    found = [(issue.file, issue.what) for issue in diagnose(folder)]

    file, what = DAMAGES[damage]
    assert [what] == list({w for f, w in found if f.startswith(file) and w == what})
    assert before == contents(folder)
    assert [] == repair(folder)
    assert [] == diagnose(folder)
    assert outputs == read_outputs(folder)
    assert journal == read_journal(folder)


def test_what_the_journal_has_lost(large: Path, tmp_path: Path) -> None:
    """It is told, the outputs that have it keep it, and readers can read the rest."""
    folder = shutil.copytree(large, tmp_path / "r")
    outputs = read_outputs(folder)
    journal = folder / "events-rank1.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], b"x" + lines[2], *lines[3:]]))
    lost = json.loads(lines[2])["seq"]
    left = repair(folder)

    what = f"events are missing: attempt 0, seq {lost}"
    assert ("events-rank1.jsonl", what, 1) in [(f.file, f.what, f.count) for f in left]
    lacking = [f for f in left if f.what == "events that the journal lacks"]
    assert {1} == {f.count for f in lacking}
    assert outputs == read_outputs(folder)
    assert lost not in [e["seq"] for e in logflume.open_run(folder) if e["rank"] == 1]
    assert (
        b"".join([*lines[:2], b"x" + lines[2], *lines[3:]])
        == (folder / ".events-rank1.jsonl.damaged").read_bytes()
    )
    assert left == repair(folder)


def test_a_lost_rotated_file(large: Path, tmp_path: Path) -> None:
    """The gap is told with its numbers; Parquet keeps what only it has now."""
    folder = shutil.copytree(large, tmp_path / "r")
    outputs = read_outputs(folder)
    first(folder, "events.000002*").unlink()
    left = repair(folder)

    assert any(f.what.startswith("events are missing: attempt ") for f in left)
    assert outputs == read_outputs(folder)


def test_a_damaged_compressed_file(tmp_path: Path) -> None:
    """What can be read of it stays in the journal."""
    jsonl = {"path": "{dir}/{run}/events.jsonl", "rotate_bytes": 600_000}
    folder = write_run(tmp_path, range(300), sinks={**CONFIG["sinks"], "jsonl": jsonl})
    rotated = folder / "events.000001.jsonl.zst"
    whole = _count_lines(rotated)
    cut(rotated, rotated.stat().st_size // 4)
    found = {(f.file, f.what) for f in diagnose(folder)}
    assert (rotated.name, "the rest of the file can't be read") in found
    left = repair(folder)

    assert rotated.name not in {issue.file for issue in left}
    assert whole // 2 < _count_lines(rotated) < whole
    assert (folder / f".{rotated.name}.damaged").exists()


def _count_lines(path: Path) -> int:
    with duckdb.connect() as connection:
        query = f"select count(*) from read_json('{path}', format = 'newline_delimited')"
        ((count,),) = connection.execute(query).fetchall()
    return int(count)


def test_a_run_goes_on_after_a_repair(large: Path, tmp_path: Path) -> None:
    """The next attempt has the next number and the types of before, and all is well after it."""
    folder = shutil.copytree(large, tmp_path / "r")
    state = json.loads((folder / "run.json").read_text())
    break_state(folder)
    assert [] == repair(folder)
    repaired = json.loads((folder / "run.json").read_text())
    assert {k: state[k] for k in ("run", "attempt", "status")} == {
        k: repaired[k] for k in ("run", "attempt", "status")
    }
    assert state["kinds"] == {k: v for k, v in repaired["kinds"].items() if k in state["kinds"]}
    write_run(tmp_path, range(12, 14))

    assert 2 == json.loads((folder / "run.json").read_text())["attempt"]
    assert [] == diagnose(folder)


def test_the_command(tmp_path: Path) -> None:
    """`logflume doctor` ends with 1 while something is wrong; --json is for scripts."""
    write_run(tmp_path, range(2))
    assert "r: all is well\n" == ask(tmp_path, "doctor", "r")
    tear_csv(tmp_path / "r")
    done = run(tmp_path, "doctor", "r", "--json")
    (torn, missing) = json.loads(done.stdout)

    assert (1, "") == (done.returncode, done.stderr)
    assert {"file", "what", "count", "do"} == set(torn)
    assert ("outputs.csv", "a torn last row", 1) == (torn["file"], torn["what"], torn["count"])
    assert ("events of the journal are missing", 1) == (missing["what"], missing["count"])
    assert "torn last row" in run(tmp_path, "doctor", "r").stdout
    assert "r: all is well\n" == ask(tmp_path, "doctor", "r", "--fix")
    assert 1 == run(tmp_path, "doctor", "nowhere").returncode


def test_attempts_of_different_configurations(tmp_path: Path) -> None:
    """What belongs in an output is for the attempt to say; one that came later is filled in."""
    no_csv = {"model": {"sinks": ["jsonl", "parquet"]}}
    warnings = {**CONFIG["sinks"], "log_file": {**CONFIG["sinks"]["log_file"], "level": "ERROR"}}
    write_run(tmp_path, range(2), loggers=no_csv)
    write_run(tmp_path, range(2, 4), sinks=warnings)
    folder = write_run(tmp_path, range(4, 6), root={"sinks": ["jsonl", "parquet"]})
    assert [] == diagnose(folder)
    before = read_outputs(folder)
    assert 6 * 6 + 1 == len(before["csv"]["outputs.csv"])
    replay(folder, ["csv", "console", "tensorboard", "parquet"])

    assert [] == diagnose(folder)
    assert before == read_outputs(folder)


def test_a_journal_that_has_not_all(tmp_path: Path) -> None:
    """Where some events go elsewhere only, a gap in the journal is no loss."""
    folder = write_run(tmp_path, range(2), loggers={"model": {"sinks": ["parquet"]}})

    assert not [f for f in diagnose(folder) if f.file.startswith("events")]
