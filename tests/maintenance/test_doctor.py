"""Issues that the doctor reports, and their repair."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest

import logflume
from logflume.exceptions import RunError
from logflume.maintenance.doctor import diagnose
from logflume.maintenance.repair import repair
from logflume.maintenance.replay import replay
from tests.cli.commands import check_output, run
from tests.maintenance.damages import DAMAGES, break_state, first_file, tear_csv, truncate
from tests.maintenance.readers import read_journal, read_outputs
from tests.maintenance.runs import CONFIG, contents, log_steps, start, write_large, write_run


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_large(tmp_path_factory.mktemp("large"))


def test_an_intact_run(large: Path) -> None:
    """An intact run of several ranks and attempts has no issues, and nothing is changed."""
    before = contents(large)

    assert [] == diagnose(large)
    assert before == contents(large)


def test_a_live_run(tmp_path: Path) -> None:
    """Events that are not written yet are not an issue; a repair is refused."""
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
    """Each damage is reported with its file and kind; a repair restores the original content."""
    folder = shutil.copytree(large, tmp_path / "r")
    outputs, journal = read_outputs(folder), read_journal(folder)
    damage(folder)
    before = contents(folder)
    issues = [(issue.file, issue.what) for issue in diagnose(folder)]

    file, what = DAMAGES[damage]
    assert [what] == list({w for f, w in issues if f.startswith(file) and w == what})
    assert before == contents(folder)
    assert [] == repair(folder)
    assert [] == diagnose(folder)
    assert outputs == read_outputs(folder)
    assert journal == read_journal(folder)


@pytest.mark.parametrize("damage", [(b"{", b"x{"), (b'Z"', b']Z"')])
def test_a_lost_journal_line(damage: tuple[bytes, bytes], large: Path, tmp_path: Path) -> None:
    """The loss is reported, sink files keep the event, and the rest can be read."""
    folder = shutil.copytree(large, tmp_path / "r")
    outputs = read_outputs(folder)
    journal = folder / "events-rank1.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], lines[2].replace(*damage, 1), *lines[3:]]))
    lost = json.loads(lines[2])["seq"]
    remaining = repair(folder)

    what = f"events are missing: attempt 0, seq {lost}"
    assert ("events-rank1.jsonl", what, 1) in [(i.file, i.what, i.count) for i in remaining]
    unknown = [i for i in remaining if i.what == "events that are not in the journal"]
    assert {1} == {i.count for i in unknown}
    assert outputs == read_outputs(folder)
    assert lost not in [e["seq"] for e in logflume.open_run(folder) if e["rank"] == 1]
    assert (
        b"".join([*lines[:2], lines[2].replace(*damage, 1), *lines[3:]])
        == (folder / ".events-rank1.jsonl.damaged").read_bytes()
    )
    assert remaining == repair(folder)


def add_a_foreign_row(folder: Path) -> None:
    row = (folder / "outputs.csv").read_bytes().splitlines(keepends=True)[-1]
    with (folder / "outputs.csv").open("ab") as file:
        file.write(row.replace(b",r,", b",another,"))


@pytest.mark.parametrize(
    "damage", [*DAMAGES, add_a_foreign_row], ids=lambda damage: damage.__name__
)
def test_the_advice_works(damage: Callable[[Path], None], large: Path, tmp_path: Path) -> None:
    """`--fix` is the advice for what it repairs only, although the journal has lost events."""
    folder = shutil.copytree(large, tmp_path / "r")
    damage(folder)
    for journal in folder.glob("events*.jsonl"):
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join([*lines[:4], *lines[5:]]))
    promised = {(i.file, i.what) for i in diagnose(folder) if i.do.startswith("run with --fix")}
    remaining = repair(folder)

    assert set() == promised & {(issue.file, issue.what) for issue in remaining}
    assert not any(issue.do.startswith("run with --fix") for issue in remaining)


def test_a_lost_rotated_file(large: Path, tmp_path: Path) -> None:
    """The gap is reported with its numbers; Parquet keeps the events that only it has."""
    folder = shutil.copytree(large, tmp_path / "r")
    outputs = read_outputs(folder)
    first_file(folder, "events.000002*").unlink()
    remaining = repair(folder)

    assert any(i.what.startswith("events are missing: attempt ") for i in remaining)
    assert outputs == read_outputs(folder)


def test_a_damaged_compressed_file(tmp_path: Path) -> None:
    """The readable lines of the file stay in the journal."""
    jsonl = {"path": "{dir}/{run}/events.jsonl", "rotate_bytes": 600_000}
    folder = write_run(tmp_path, range(300), sinks={**CONFIG["sinks"], "jsonl": jsonl})
    rotated = folder / "events.000001.jsonl.zst"
    lines = _count_lines(rotated)
    truncate(rotated, rotated.stat().st_size // 4)
    issues = {(issue.file, issue.what) for issue in diagnose(folder)}
    assert (rotated.name, "the rest of the file can't be read") in issues
    remaining = repair(folder)

    assert rotated.name not in {issue.file for issue in remaining}
    assert lines // 2 < _count_lines(rotated) < lines
    assert (folder / f".{rotated.name}.damaged").exists()


def _count_lines(path: Path) -> int:
    with duckdb.connect() as connection:
        query = f"select count(*) from read_json('{path}', format = 'newline_delimited')"
        ((count,),) = connection.execute(query).fetchall()
    return int(count)


def test_a_run_continues_after_a_repair(large: Path, tmp_path: Path) -> None:
    """The next attempt gets the next number and keeps the kinds of fields; there are no issues."""
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
    """`logflume doctor` exits with status 1 if there are issues, and prints JSON with --json."""
    write_run(tmp_path, range(2))
    assert "r: no issues\n" == check_output(tmp_path, "doctor", "r")
    tear_csv(tmp_path / "r")
    done = run(tmp_path, "doctor", "r", "--json")
    (torn, missing) = json.loads(done.stdout)

    assert (1, "") == (done.returncode, done.stderr)
    assert {"file", "what", "count", "do"} == set(torn)
    assert ("outputs.csv", "torn last row", 1) == (torn["file"], torn["what"], torn["count"])
    assert ("events of the journal are missing", 1) == (missing["what"], missing["count"])
    assert "outputs.csv: torn last row (1)\n  run with --fix" in run(tmp_path, "doctor", "r").stdout
    repaired = check_output(tmp_path, "doctor", "r", "--fix").splitlines()
    assert "repaired: outputs.csv: torn last row (1)" == repaired[0]
    assert "repaired: outputs.csv: events of the journal are missing (1)" == repaired[1]
    assert ["r: no issues"] == repaired[2:]
    assert "r: no issues\n" == check_output(tmp_path, "doctor", "r", "--fix")
    assert 1 == run(tmp_path, "doctor", "nowhere").returncode


def test_advice_is_wrapped(tmp_path: Path) -> None:
    """In a narrow terminal, what is wrong and what to do about it are whole, in several lines."""
    folder = write_run(tmp_path, range(2))
    lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "events.jsonl").write_bytes(b"".join(lines[:2] + lines[3:]))
    terminal, stream = pty.openpty()
    termios.tcsetwinsize(stream, (24, 40))
    command = [sys.executable, "-m", "logflume", "doctor", "r"]
    env = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    with subprocess.Popen(command, cwd=tmp_path, stdin=stream, stdout=stream, env=env):
        os.close(stream)
        shown = []
        with suppress(OSError), os.fdopen(terminal) as output:  # Linux ends it by an error
            for line in output:
                shown.append(line)  # noqa: PERF402 - the error comes after the last line
    text = " ".join("".join(shown).split())
    assert [] == [line for line in shown if len(line.rstrip()) > 40]
    for issue in diagnose(folder):
        assert f"{issue.file}: {issue.what} ({issue.count}) {issue.do}" in text


def test_attempts_of_different_configurations(tmp_path: Path) -> None:
    """The configuration of the attempt decides which events belong in a sink file."""
    no_csv = {"model": {"sinks": ["jsonl", "parquet"]}}
    errors_only = {**CONFIG["sinks"], "log_file": {**CONFIG["sinks"]["log_file"], "level": "ERROR"}}
    write_run(tmp_path, range(2), loggers=no_csv)
    write_run(tmp_path, range(2, 4), sinks=errors_only)
    folder = write_run(tmp_path, range(4, 6), root={"sinks": ["jsonl", "parquet"]})
    assert [] == diagnose(folder)
    before = read_outputs(folder)
    assert 6 * 6 + 1 == len(before["csv"]["outputs.csv"])
    replay(folder, ["csv", "console", "tensorboard", "parquet"])

    assert [] == diagnose(folder)
    assert before == read_outputs(folder)


def test_events_that_bypass_the_journal(tmp_path: Path) -> None:
    """If some events don't go to the journal, a gap in it is not a loss."""
    folder = write_run(tmp_path, range(2), loggers={"model": {"sinks": ["parquet"]}})

    assert not [issue for issue in diagnose(folder) if issue.file.startswith("events")]
