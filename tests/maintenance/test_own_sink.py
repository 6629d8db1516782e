"""A sink of another package in doctor, replay and the catch-up."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logflume.exceptions import RunError
from logflume.maintenance.doctor import diagnose
from logflume.maintenance.repair import repair
from logflume.maintenance.replay import replay
from tests.cli.commands import check_output
from tests.cli.commands import run as run_command
from tests.maintenance.lines_sink import LinesSink
from tests.maintenance.runs import CONFIG, write_run

KIND = "tests.maintenance.lines_sink:LinesSink"
MORE: dict[str, Any] = {
    "root": {"level": "INFO", "sinks": ["jsonl", "own"]},
    "loggers": {},
    "sinks": {**CONFIG["sinks"], "own": {"type": KIND, "path": "{dir}/{run}/own.txt"}},
}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Return the sink's file in a run with two attempts."""
    return write_run(tmp_path, range(3), range(3, 5), **MORE) / "own.txt"


def remove_line(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3] + lines[4:]))


def change_line(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"model_output", b"model_input", 1))


def repeat_line(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, lines[-1]]))


def tear_line(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (remove_line, "events of the journal are missing"),
        (change_line, "events differ from the journal"),
        (repeat_line, "duplicate events"),
        (tear_line, "torn last line"),
        (Path.unlink, "events of the journal are missing"),
    ],
)
def test_doctor(damage: Callable[[Path], None], what: str, own: Path) -> None:
    """`doctor` reports each damage of the sink's file and rebuilds the file."""
    before = own.read_bytes()
    assert [] == diagnose(own.parent)
    damage(own)
    assert ("own.txt", what) in {(issue.file, issue.what) for issue in diagnose(own.parent)}

    assert [] == repair(own.parent)
    assert before == own.read_bytes()


def test_replay(own: Path, tmp_path: Path) -> None:
    """`replay` rebuilds the file, under the sink's type in the configuration."""
    replay(own.parent, [KIND], tmp_path / "out")

    assert own.read_bytes() == (tmp_path / "out" / "own.txt").read_bytes()


def test_catch_up(own: Path) -> None:
    """The next attempt writes the events of the earlier ones to a file that was removed."""
    before = own.read_bytes().splitlines()
    own.unlink()
    write_run(own.parent.parent, range(5, 6), **MORE)

    assert set(before) < set(own.read_bytes().splitlines())
    assert [] == diagnose(own.parent)


SQLITE_KIND = "tests.maintenance.sqlite_sink:SqliteSink"


def sqlite_sink(worker: str = "thread") -> dict[str, Any]:
    section = {"type": SQLITE_KIND, "path": "{dir}/{run}/more/own.db"}
    return {**MORE, "worker": worker, "sinks": {**CONFIG["sinks"], "own": section}}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Return the database of a run with two attempts."""
    return write_run(tmp_path, range(3), range(3, 5), **sqlite_sink()) / "more" / "own.db"


def positions(path: Path) -> list[tuple[int, int]]:
    rows = sqlite3.connect(path).execute("select attempt, seq from events order by 1, 2")
    return rows.fetchall()


def truncate(path: Path) -> None:
    os.truncate(path, 5_000)


def replace_by_text(path: Path) -> None:
    path.write_text("something else")


def drop_table(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("drop table events")


@pytest.mark.parametrize("damage", [truncate, replace_by_text, drop_table, Path.unlink])
def test_doctor_reports_what_a_scan_raises(damage: Callable[[Path], None], database: Path) -> None:
    """An error of `scan` is an issue like any other damage, and `--fix` rebuilds the output."""
    before = positions(database)
    assert [] == diagnose(database.parent.parent)
    damage(database)
    issues = {issue.what.partition(":")[0] for issue in diagnose(database.parent.parent)}
    assert {"can't be read", "events of the journal are missing"} == issues

    assert [] == repair(database.parent.parent)
    assert before == positions(database)


@pytest.mark.parametrize("worker", ["thread", "process"])
def test_constructor_fails(database: Path, worker: str) -> None:
    """A sink whose constructor raises is an error that names the sink; the run stays free."""
    truncate(database)
    folder = database.parent.parent
    with pytest.raises(RunError, match=r"sinks\.own: can't be created: DatabaseError"):
        write_run(folder.parent, range(5, 6), **sqlite_sink(worker))

    assert [] == repair(folder)


@pytest.mark.parametrize("method", ["expect", "close"])
def test_failing_methods(own: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Whatever a method of a sink raises becomes an error that names the output."""

    def fail(sink: Any, *_: object) -> None:
        if method == "close":
            sink._file.close()
        raise KeyError(method)

    monkeypatch.setattr(LinesSink, method, fail)
    own.unlink()
    with pytest.raises(RunError, match=rf"own\.txt: the sink failed: KeyError: '{method}'"):
        repair(own.parent)


@pytest.mark.parametrize("name", ["events.sqlite", "events-all.txt", "run.csv", "Events.lines"])
def test_name_that_begins_like_the_journal(tmp_path: Path, name: str) -> None:
    """A sink's file is checked and rebuilt, although its name begins like the journal's."""
    sinks = {**MORE["sinks"], "own": {"type": KIND, "path": f"{{dir}}/{{run}}/{name}"}}
    path = write_run(tmp_path, range(3), **{**MORE, "sinks": sinks}) / name
    content = path.read_bytes()
    remove_line(path)
    assert (name, "events of the journal are missing") in {
        (issue.file, issue.what) for issue in diagnose(path.parent)
    }
    replay(path.parent, [KIND])
    assert content == path.read_bytes()
    assert [] == diagnose(path.parent)


def test_name_of_the_journal_itself(tmp_path: Path) -> None:
    """A sink's file that is named like a file of the journal is left out, and a note says so."""
    sinks = {**MORE["sinks"], "own": {"type": KIND, "path": "{dir}/{run}/more/events-own.jsonl"}}
    folder = write_run(tmp_path, range(3), **{**MORE, "sinks": sinks})
    notes: list[str] = []
    assert [] == diagnose(folder, note=notes.append)
    (note,) = notes
    assert note.startswith("sinks.own: not checked, because events-own.jsonl is a name of")


class UnscannableSink:
    """A sink that `doctor` can't check."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, events: Any) -> None:
        """Write nothing."""

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def write_with(folder: Path, sink: Any) -> Path:
    """Write a run with one more sink, and return its folder."""
    return write_run(folder, range(3), **{**MORE, "sinks": {**CONFIG["sinks"], "own": sink}})


def test_a_sink_that_cannot_be_checked_is_named(tmp_path: Path) -> None:
    """`doctor` doesn't claim that all is in order: it names the sink and the reason."""
    unscannable = {"type": f"{__name__}:UnscannableSink", "path": "{dir}/{run}/own.txt"}
    passed = UnscannableSink(tmp_path / "own.txt")
    for sink, reason in ((unscannable, "has no methods scan and expect"), (passed, "as an object")):
        folder = write_with(tmp_path / reason, sink)
        notes: list[str] = []
        assert [] == diagnose(folder, note=notes.append)
        (note,) = notes
        assert note.startswith("sinks.own: not checked, because ")
        assert reason in note


def test_a_sink_whose_package_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registered sink that can't be imported any more is named, and the rest is checked."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    module = tmp_path / "extra_sink.py"
    module.write_bytes(Path(__file__).with_name("lines_sink.py").read_bytes())
    installed = tmp_path / "extra_sink-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Name: extra-sink\nVersion: 1\n")
    (installed / "entry_points.txt").write_text("[logflume.sinks]\nown = extra_sink:LinesSink\n")
    script = (
        "import logflume\n"
        "path = '{dir}/{run}/events.jsonl'\n"
        "sinks = {'jsonl': {'path': path}, 'own': {'path': '{dir}/{run}/own.txt'}}\n"
        "logflume.initialize({'root': {'sinks': [*sinks]}, 'sinks': sinks}, dir='logs', run='r')\n"
        "logflume.shutdown()\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)
    assert "logs/r: no issues\n" == check_output(tmp_path, "doctor", "r")
    module.write_text("import a_missing_package")

    done = run_command(tmp_path, "doctor", "r")
    assert (0, "logs/r: no issues in what was checked\n") == (done.returncode, done.stdout)
    assert "sinks.own: not checked, because 'own' can't be imported: No module" in done.stderr


def test_a_configuration_of_another_version_is_named(tmp_path: Path) -> None:
    """The sinks of an attempt whose configuration can't be used are not passed over in silence."""
    folder = write_run(tmp_path, range(3), **MORE)
    journal = folder / "events.jsonl"
    journal.write_text(journal.read_text().replace(r"own.txt\"", r"own.txt\",\"later\":\"x\""))
    notes: list[str] = []
    assert [] == diagnose(folder, note=notes.append)
    assert any(note.startswith("attempt 0: its own sinks are not checked") for note in notes)
