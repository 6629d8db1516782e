"""A sink of another package in doctor, replay and the catch-up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logflume.maintenance.doctor import diagnose
from logflume.maintenance.repair import repair
from logflume.maintenance.replay import replay
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
